// Invalid subscriptions fail with an error text, and the connection stays open.

import assert from "node:assert/strict";
import { it } from "node:test";

import { CHANGED, LICENCE, brief, licence } from "../features/events.js";
import { settle } from "../features/listener.js";
import { withEachClient } from "../support/suite.js";

const IN_WORDS = "HubException: ";

// Each row: the claim, the request, what the text of the HubException says.
const ROWS = [
  ["an unknown event", { e: "portos.unknown" }, ["portos.unknown", CHANGED, LICENCE]],
  ["an event in another case", { e: "Portos.Resources.Changed" }, ["Portos.Resources.Changed", CHANGED]],
  ["an unknown action", { e: CHANGED, r: [{ n: "tickets", a: ["created", "burnt"] }] }, ["burnt", "created", "updated", "deleted"]],
  ["a missing e", {}, ["\"e\""]],
  ["a null e", { e: null }, ["\"e\""]],
  ["an empty e", { e: "" }, ["\"e\""]],
  ["a missing n", { e: CHANGED, r: [{ a: ["created"] }] }, ["\"n\""]],
  ["r on an event without resources", { e: LICENCE, r: [{ n: "tickets" }] }, [LICENCE, CHANGED]],
];

withEachClient("refusals", (suite) => {
  for (const method of ["Subscribe", "Unsubscribe"]) {
    for (const [claim, request, said] of ROWS) {
      it(`${method} refuses ${claim} in words`, async () => {
        const listener = await suite.connect();
        const error = await listener.connection.invoke(method, request).then(assert.fail, (error) => error);
        assert.ok(error.message.includes(IN_WORDS), error.message);
        for (const word of said) assert.ok(error.message.includes(word), `"${error.message}" should name ${word}`);
      });
    }
  }

  it("a refused request adds none of its entries, and the connection lives on", async () => {
    const listener = await suite.connect();
    const mixed = { e: CHANGED, r: [{ n: "tickets" }, { n: "devices", a: ["burnt"] }] };
    await assert.rejects(listener.subscribe(mixed), /burnt/);
    await listener.subscribe({ e: LICENCE });
    await suite.server.publish(licence());
    await settle(suite.server, [listener]);
    assert.deepEqual(listener.heard.map(brief), ["licence"]);
  });

  it("arguments of the wrong type or number are refused without ending the connection", async () => {
    const { connection } = await suite.connect();
    await assert.rejects(connection.invoke("Subscribe", 7), /Subscribe/);
    await assert.rejects(connection.invoke("Subscribe"), /Subscribe/);
    await assert.rejects(connection.invoke("Subscribe", { e: LICENCE }, 2), /Subscribe/);
    await assert.rejects(connection.invoke("Nothing", { e: LICENCE }), /HubException: Method does not exist/);
    await connection.invoke("Subscribe", { e: LICENCE });
  });
});
