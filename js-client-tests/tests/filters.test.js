// Subscriptions beyond the filters in features/filters.js.

import assert from "node:assert/strict";
import { it } from "node:test";

import { CHANGED, LICENCE, brief, changed, licence } from "../features/events.js";
import { EVENTS } from "../features/filters.js";
import { settle } from "../features/listener.js";
import { withEachClient } from "../support/suite.js";

withEachClient("filters", (suite) => {
  it("names of methods are matched in any case", async () => {
    const listener = await suite.connect();
    await listener.connection.invoke("subscribe", { e: LICENCE });
    await listener.connection.invoke("UNSUBSCRIBE", { e: LICENCE });
    await listener.connection.send("SubScribe", { e: CHANGED, r: [{ n: "devices", a: ["deleted"] }] });
    await settle(suite.server, [listener]);
    for (const event of EVENTS) await suite.server.publish(event);
    await settle(suite.server, [listener]);
    assert.deepEqual(listener.heard.map(brief), ["devices deleted", "licence"]);
  });

  it("subscriptions belong to one connection", async () => {
    const [first, second] = [await suite.connect(), await suite.connect()];
    await first.subscribe({ e: LICENCE });
    await second.unsubscribe({ e: LICENCE });
    await suite.server.publish(licence());
    await settle(suite.server, [first, second]);
    assert.deepEqual([first, second].map(({ heard }) => heard.map(brief)), [["licence"], []]);
  });

  it("a connection that ended is no longer matched", async () => {
    const listener = await suite.connect();
    await listener.subscribe({ e: CHANGED, r: [{ n: "tickets" }] });
    assert.equal((await suite.server.publish(changed("tickets", 1))).matched, 1);
    await listener.connection.stop();
    // The server notices after some time, within the time limit of the test.
    let matched;
    do matched = (await suite.server.publish(changed("tickets", 1))).matched;
    while (matched > 0);
  });
});
