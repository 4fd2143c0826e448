// Clients replace the token of an open connection, over every transport and in both protocols.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { CHANGED, LICENCE, changed } from "../features/events.js";
import { refreshable } from "../features/refresh.js";
import { libraries } from "../support/libraries.js";
import { WAYS, nameOf } from "../support/matrix.js";
import { Server } from "../support/server.js";
import { now, token } from "../support/token.js";

const TICKETS = [{ e: CHANGED, r: "tickets" }];

describe("a refresh", { concurrency: 4 }, () => {
  const servers = {};
  before(async () => {
    // With `all`, clients in Node get a ticket as web pages do.
    for (const tickets of ["browsers", "all"]) {
      const settings = { SIGNALHUB_AUTH__LEEWAY: "0s", SIGNALHUB_AUTH__TICKETS: tickets };
      servers[tickets] = await Server.start("127.0.0.1:0", settings);
    }
  });
  after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

  const ways = WAYS.flatMap((way) => [{ way, tickets: "browsers" }, { way, tickets: "all" }]);
  for (const { version, signalR } of libraries) {
    for (const { way, tickets } of ways) {
      const credentials = tickets === "all" ? "with a ticket" : "with a token";
      it(`prolongs a connection ${credentials}: ${nameOf(way)} (@microsoft/signalr ${version})`, async () => {
        const server = servers[tickets];
        const org = `${version} ${nameOf(way)}`;
        const short = now() + 3;
        const tokens = [token({ org, exp: short }), token({ org, exp: short + 600, grants: TICKETS })];
        const client = refreshable(signalR, {
          url: server.hub,
          fetchToken: async () => tokens.shift(),
          protocol: way.protocol === "messagepack" ? new signalR.protocols.msgpack.MessagePackHubProtocol() : undefined,
          settings: { transport: signalR.HttpTransportType[way.transport] },
        });
        const { connection } = client;
        const heard = [];
        connection.on("OnEvent", (event) => heard.push(event.p.n));
        let closed = false;
        connection.onclose(() => (closed = true));
        // A client without a refresh shows when the first token has expired.
        const other = refreshable(signalR, {
          url: server.hub,
          fetchToken: async () => token({ org, exp: short }),
          settings: { transport: signalR.HttpTransportType.WebSockets },
        });
        const expired = new Promise((resolve) => other.connection.onclose(resolve));
        await Promise.all([client.start(), other.start()]);
        await connection.invoke("Subscribe", { e: CHANGED, r: [{ n: "tickets" }, { n: "devices", a: ["created"] }] });
        await connection.invoke("Subscribe", { e: LICENCE });

        const { expires, ended } = await client.refresh();
        assert.equal(expires.getTime(), (short + 600) * 1000);
        assert.deepEqual(ended, [{ e: LICENCE }, { e: CHANGED, r: [{ n: "devices", a: ["created"] }] }]);

        await expired;
        assert.equal((await server.publish(changed("devices", 1, { org }))).matched, 0);
        assert.equal((await server.publish(changed("tickets", 1, { org }))).matched, 1);
        await connection.invoke("Subscribe", { e: CHANGED, r: [{ n: "tickets", a: ["updated"] }] });
        await assert.rejects(connection.invoke("Subscribe", { e: LICENCE }), /missing grant/);
        await assert.rejects(connection.invoke("Refresh", token({ sub: "eve", org })), /the token is of another user/);
        while (heard.length === 0) await new Promise((resolve) => connection.on("OnEvent", resolve));
        assert.deepEqual(heard, ["tickets"]);
        assert.equal(closed, false);
        await connection.stop();
      });
    }
  }
});
