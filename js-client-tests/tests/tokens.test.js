// Which tokens are accepted, in which place of a request, and which events a token allows.

import assert from "node:assert/strict";
import { it } from "node:test";

import { CHANGED, LICENCE, brief, changed, licence } from "../features/events.js";
import { MARKER, settle } from "../features/listener.js";
import { withEachClient } from "../support/suite.js";
import { now, token } from "../support/token.js";

// Each row: the claim, the token.
const REFUSED = [
  ["an expired token", () => token({ exp: now() - 3600 })],
  ["a token of the future", () => token({ nbf: now() + 3600 })],
  ["a token signed with another key", () => token({}, "another secret, which the server does not know")],
  ["a token without a user", () => token({ sub: undefined })],
  ["a token without expiry", () => token({ exp: undefined })],
  ["an unsigned token", () => token().replace(/[^.]*$/, "")],
  ["a word that is no token", () => "open sesame"],
  ["a missing token", () => ""],
];

withEachClient("tokens", (suite) => {
  const url = (text) => `${suite.server.hub}?access_token=${encodeURIComponent(text)}`;
  const skipping = () => ({ skipNegotiation: true, transport: suite.signalR.HttpTransportType.WebSockets });

  /** A client that gives its token as browsers give it to WebSockets: in the query. */
  const byQuery = (text) =>
    new suite.signalR.HubConnectionBuilder()
      .withUrl(url(text), skipping())
      .configureLogging(suite.signalR.LogLevel.None)
      .build();

  for (const [claim, make] of REFUSED) {
    it(`${claim} is refused with 401`, async () => {
      const negotiating = suite.connect({ options: { accessTokenFactory: make } });
      await assert.rejects(negotiating, /Status code '401'/);
    });
    it(`${claim} is refused without negotiation`, async () => {
      await assert.rejects(suite.connect({ options: { ...skipping(), accessTokenFactory: make } }));
      await assert.rejects(byQuery(make()).start());
    });
  }

  it("a client without any token is refused with 401", async () => {
    await assert.rejects(suite.connect({ options: { accessTokenFactory: undefined } }), /Status code '401'/);
  });

  it("a good token in the header admits without negotiation", async () => {
    const listener = await suite.connect({ options: skipping() });
    await listener.subscribe({ e: LICENCE });
    await suite.server.publish(licence());
    await settle(suite.server, [listener]);
    assert.deepEqual(listener.heard.map(brief), ["licence"]);
  });

  it("a good token in the query admits", async () => {
    const connection = byQuery(token());
    const heard = new Promise((resolve) => connection.on("OnEvent", resolve));
    await connection.start();
    await connection.invoke("Subscribe", { e: LICENCE });
    await suite.server.publish(licence());
    assert.equal(brief(await heard), "licence");
    await connection.stop();
  });

  it("events of an organisation are heard there and nowhere else", async () => {
    const [north, south, none] = [
      await suite.connect({ claims: { org: "north" } }),
      await suite.connect({ claims: { org: "south" } }),
      await suite.connect(),
    ];
    const all = [north, south, none];
    for (const listener of all) await listener.subscribe({ e: CHANGED });
    const matched = [];
    for (const [name, org] of [["tickets", "north"], ["devices", "south"], ["stocks", undefined], ["users", "east"]]) {
      matched.push((await suite.server.publish(changed(name, 1, { org }))).matched);
    }
    await settle(suite.server, all);
    assert.deepEqual(matched, [1, 1, 3, 0]);
    assert.deepEqual(
      all.map(({ heard }) => heard.map(({ p }) => p.n)),
      [["tickets", "stocks"], ["devices", "stocks"], ["stocks"]],
    );
  });

  it("grants bound a wider subscription", async () => {
    const grants = [{ e: CHANGED, r: "tick*", a: ["created", "deleted"] }, { e: CHANGED, r: MARKER }];
    const listener = await suite.connect({ claims: { grants } });
    await listener.subscribe({ e: CHANGED });
    for (const event of [changed("tickets", 1), changed("tickets", 2), changed("devices", 1), changed("ticks", 3)]) {
      await suite.server.publish(event);
    }
    await settle(suite.server, [listener], [CHANGED]);
    assert.deepEqual(listener.heard.map(brief), ["tickets created", "ticks deleted"]);
  });

  it("a subscription outside the grants is refused and names what is missing", async () => {
    const listener = await suite.connect({ claims: { grants: [{ e: CHANGED, r: "tickets" }] } });
    await assert.rejects(listener.subscribe({ e: LICENCE }), /HubException: .*grant.*portos\.licence\.activated/);
    await assert.rejects(listener.subscribe({ e: CHANGED, r: [{ n: "devices" }] }), /HubException: .*grant.*devices/);
    await listener.subscribe({ e: CHANGED, r: [{ n: "tickets", a: ["updated"] }] });
  });
});
