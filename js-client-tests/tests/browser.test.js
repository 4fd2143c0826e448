// Web pages and the binary: which origins may connect, and how their connections end.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { missing } from "../support/browser.js";
import { CHANGED, LICENCE, changed, licence } from "../features/events.js";
import { libraries } from "../support/libraries.js";
import { connect } from "../support/listener.js";
import { SETTING_OF_ORIGINS, Server } from "../support/server.js";
import { withBrowser } from "../support/stage.js";
import { now, token } from "../support/token.js";

const TRANSPORTS = ["WebSockets", "ServerSentEvents", "LongPolling"];
const SAMPLE = { changed: { devices: changed("devices", 1), tickets: changed("tickets", 1) }, licence: licence() };
const BARE = { skipNegotiation: true };

for (const { version, bundle } of libraries) {
  describe(`a page (@microsoft/signalr ${version})`, { skip: missing }, () => {
    const stage = withBrowser(bundle);

    /** A page of its own origin and a server that allows it. */
    const allowed = async () => {
      const site = await stage.gateway();
      const server = await Server.start(undefined, { [SETTING_OF_ORIGINS]: site.url });
      stage.ending(() => server.stop());
      return { server, site, page: await stage.page(site.url, server) };
    };
    /** A server with these settings, and a page of an origin that it does not know. */
    const unknown = async (settings) => {
      const server = await Server.start(undefined, settings);
      stage.ending(() => server.stop());
      const site = await stage.gateway();
      return { server, site, page: await stage.page(site.url, server) };
    };
    const hear = (page, settings) => stage.run(page, "portos", "hear", settings);

    it("of another origin runs the sample of Portos", async () => {
      const { server, page } = await allowed();
      await stage.run(page, "portos", "sample", { ...SAMPLE, serverAddress: server.url, token: token() });
    });

    for (const transport of TRANSPORTS) {
      it(`of another origin hears every letter over ${transport}`, async () => {
        const { server, page } = await allowed();
        const asked = [];
        page.on("request", (request) => asked.push(new URL(request.url())));
        page.on("websocket", (socket) => asked.push(new URL(socket.url().replace(/^ws/, "http"))));
        await hear(page, { url: server.hub, token: token(), transport });
        // Pages cannot give headers to WebSockets and event streams, so that a ticket stands in the query there.
        const inQuery = asked.filter(({ searchParams }) => searchParams.has("access_token"));
        assert.equal(inQuery.length > 0, transport !== "LongPolling", asked.join("\n"));
      });
    }

    it("needs no negotiation, with its token in the query", async () => {
      const { server, page } = await allowed();
      await hear(page, { url: server.hub, token: token(), transport: "WebSockets", options: BARE });
    });

    it("reads why it is refused", async () => {
      const { server, page } = await allowed();
      for (const refused of [token({ exp: now() - 3600 }), "open sesame", ""]) {
        await assert.rejects(hear(page, { url: server.hub, token: refused }), /Status code '401'/);
      }
    });

    it("of a foreign origin is refused, whatever its token", async () => {
      const { server, page } = await unknown({ [SETTING_OF_ORIGINS]: "https://portos.example" });
      for (const transport of TRANSPORTS) {
        await assert.rejects(hear(page, { url: server.hub, token: token(), transport }), /Failed to fetch/);
      }
      await assert.rejects(hear(page, { url: server.hub, token: token(), transport: "WebSockets", options: BARE }), /WebSocket/);
    });

    it("of another origin is refused where none is configured", async () => {
      const { server, page } = await unknown();
      await assert.rejects(hear(page, { url: server.hub, token: token() }), /Failed to fetch/);
      await assert.rejects(hear(page, { url: server.hub, token: token(), transport: "WebSockets", options: BARE }), /WebSocket/);
    });

    it("of the same origin needs no permission", async () => {
      const { server } = await unknown();
      const gateway = await stage.gateway({ hub: server.url });
      const page = await stage.page(gateway.url, server);
      for (const transport of TRANSPORTS) {
        await hear(page, { url: gateway.url + "/signalr/v1/mainHub", token: token(), transport });
      }
    });

    it("of this machine is allowed in development mode", async () => {
      const { server, page } = await unknown({ SIGNALHUB_AUTH__SECRET: undefined });
      const printed = await server.printedToken();
      for (const transport of TRANSPORTS) await hear(page, { url: server.hub, token: printed, transport });
    });

    // Each row: the claim, what the network refuses, the requests with which the client connected.
    const BLOCKED = [
      ["event streams when WebSockets are blocked", ["upgrade"], "GET event-stream"],
      ["polls when event streams are blocked, too", ["upgrade", "event-stream"], "GET"],
    ];
    for (const [claim, refuses, way] of BLOCKED) {
      it(`falls back to ${claim}`, async () => {
        const { server } = await unknown();
        const gateway = await stage.gateway({ hub: server.url, refuses });
        const page = await stage.page(gateway.url, server);
        await hear(page, { url: gateway.url + "/signalr/v1/mainHub", token: token() });
        const ways = gateway.seen.map(([way]) => way);
        for (const refused of refuses) assert.ok(ways.some((way) => way.endsWith(refused)), `${refused} was never tried: ${ways}`);
        assert.ok(ways.includes(way), ways.join(", "));
      });
    }

    // Each row: how the client is connected, what the network refuses to force this.
    const RESTARTS = [["WebSockets", []], ["event streams", ["upgrade"]], ["polls", ["upgrade", "event-stream"]]];
    for (const [way, refuses] of RESTARTS) {
      it(`comes back after a restart of the server and is subscribed again, over ${way}`, async () => {
        const { server } = await unknown();
        const gateway = await stage.gateway({ hub: server.url, refuses });
        const page = await stage.page(gateway.url);
        await page.evaluate(async (settings) => {
          const { staySubscribed } = await import("/features/stay-subscribed.js");
          const heard = (window.heard = []);
          window.connection = await staySubscribed(window.signalR, { ...settings, onEvent: (event) => heard.push(event) });
          window.back = new Promise((resolve) => window.connection.onreconnected(resolve));
        }, {
          url: gateway.url + "/signalr/v1/mainHub",
          token: token(),
          requests: [{ e: LICENCE }, { e: CHANGED, r: [{ n: "tickets" }] }],
        });

        assert.equal(await server.stop(), 0);
        const successor = await Server.start(new URL(server.url).host);
        stage.ending(() => successor.stop());
        await page.evaluate(async (nothing) => {
          await window.back;
          // Calls of a connection are answered in order: with this one, its subscriptions are there.
          await window.connection.invoke("Unsubscribe", nothing);
        }, { e: CHANGED, r: [{ n: "never subscribed" }] });
        assert.equal((await successor.publish(licence({ shopId: 2 }))).matched, 1);
        assert.equal((await successor.publish(changed("tickets", 1))).matched, 1);
        assert.equal((await successor.publish(changed("devices", 1))).matched, 0);
        await page.waitForFunction(() => window.heard.length === 2);
        // Events of different names are not ordered.
        assert.deepEqual(await page.evaluate(() => window.heard.map(({ e }) => e).sort()), [LICENCE, CHANGED]);
      });
    }
  });
}

describe("origins, as they are asked", () => {
  const page = "https://portos.example";
  let server;
  before(async () => {
    server = await Server.start(undefined, { [SETTING_OF_ORIGINS]: page });
  });
  after(() => server.stop());

  const ask = (origin, { path = "/negotiate?negotiateVersion=1", method = "OPTIONS", headers } = {}) => {
    const asking = { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-requested-with,x-signalr-user-agent" };
    return fetch(server.hub + path, { method, headers: { ...(origin && { Origin: origin }), ...(headers ?? asking) } });
  };

  it("a preflight is answered before anybody has to name himself", async () => {
    for (const path of ["/negotiate?negotiateVersion=1", "?id=unknown", ""]) {
      const { ok, headers } = await ask(page, { path });
      assert.ok(ok);
      assert.equal(headers.get("access-control-allow-origin"), page);
      assert.equal(headers.get("access-control-allow-credentials"), "true");
      assert.match(headers.get("access-control-allow-methods"), /POST/);
      const names = headers.get("access-control-allow-headers").toLowerCase();
      for (const name of ["authorization", "x-requested-with", "x-signalr-user-agent"]) assert.ok(names.includes(name), names);
      assert.match(headers.get("vary"), /Origin/i);
    }
  });

  it("a refusal is readable to the page that caused it, and to no other", async () => {
    const refused = await ask(page, { method: "POST", headers: {} });
    assert.equal(refused.status, 401);
    assert.equal(refused.headers.get("access-control-allow-origin"), page);
    for (const origin of ["https://portos.example.org", "http://portos.example", "https://portos.example:444", "null", "http://127.0.0.1:1"]) {
      for (const response of [await ask(origin), await ask(origin, { method: "POST", headers: {} })]) {
        assert.equal(response.headers.get("access-control-allow-origin"), null, origin);
        assert.equal(response.headers.get("access-control-allow-credentials"), null, origin);
      }
    }
  });

  it("a client that names no origin is no page and comes in", async () => {
    const response = await ask(undefined, { method: "POST", headers: { Authorization: `Bearer ${token()}` } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("access-control-allow-origin"), null);
  });

  // Each row: the claim, the origin, whether it is refused where one is configured, and in development mode.
  const SOCKETS = [
    ["no origin", undefined, false, false],
    ["the configured origin", page, false, true],
    ["another origin", "https://elsewhere.example", true, true],
    ["an origin that begins like the configured one", page + ".example.org", true, true],
    ["an origin of this machine", "http://localhost:8080", true, false],
    ["a page without an origin", "null", true, true],
  ];
  const { signalR } = libraries[0];
  // A page cannot set headers on a WebSocket, so its token stands in the query.
  const open = async (server, accessToken, origin, place = "query") => {
    const options = {
      skipNegotiation: true,
      transport: signalR.HttpTransportType.WebSockets,
      accessTokenFactory: place === "header" ? () => accessToken : undefined,
      headers: origin && { Origin: origin },
    };
    const hub = place === "query" ? `${server.hub}?access_token=${accessToken}` : server.hub;
    const { connection } = await connect(signalR, { hub }, { options });
    await connection.stop();
  };
  const check = (refused, opening) => (refused ? assert.rejects(opening) : opening);

  for (const [claim, origin, refused] of SOCKETS) {
    it(`${claim} is ${refused ? "refused" : "allowed"} a WebSocket`, () => check(refused, open(server, token(), origin)));
  }

  it("a client with a good token in its header is no page, whatever origin it names", async () => {
    for (const [, origin] of SOCKETS) {
      await open(server, token(), origin, "header");
      await assert.rejects(open(server, "no token", origin, "header"));
    }
  });

  it("development mode allows pages of this machine alone", async (t) => {
    const development = await Server.start(undefined, { SIGNALHUB_AUTH__SECRET: undefined });
    t.after(() => development.stop());
    const printed = await development.printedToken();
    for (const [, origin, , refused] of SOCKETS) await check(refused, open(development, printed, origin));
  });
});
