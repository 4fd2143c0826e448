// Networks that block some transports, with the client in Node.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { hear } from "../features/portos.js";
import { Gateway } from "../support/gateway.js";
import { libraries } from "../support/libraries.js";
import { Server } from "../support/server.js";
import { token } from "../support/token.js";

// Each row: the claim, what the network refuses, the transport that the client uses in the end, the transports that it tried before.
const ROWS = [
  ["WebSockets come first", [], "upgrade", []],
  ["event streams come when WebSockets are blocked", ["upgrade"], "GET event-stream", ["upgrade"]],
  ["polls come when event streams are blocked, too", ["upgrade", "event-stream"], "GET", ["upgrade", "GET event-stream"]],
];

for (const { version, signalR } of libraries) {
  describe(`falling back (@microsoft/signalr ${version})`, () => {
    let server;
    before(async () => {
      server = await Server.start();
    });
    after(() => server.stop());

    for (const [claim, refuses, way, tried] of ROWS) {
      it(claim, async (t) => {
        const gateway = await Gateway.open({ hub: server.url, refuses });
        t.after(() => gateway.close());
        const publish = (event) => server.publish(event);
        await hear(signalR, { url: gateway.url + "/signalr/v1/mainHub", token: token(), publish });
        const ways = [...new Set(gateway.seen.map(([way]) => way))].filter((way) => way !== "POST" && way !== "DELETE");
        assert.deepEqual(ways, [...tried, way]);
      });
    }

    for (const transport of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
      const publish = (event) => server.publish(event);
      if (transport !== "ServerSentEvents") {
        it(`an event has the same short names in MessagePack over ${transport}`, () =>
          hear(signalR, { url: server.hub, token: token(), transport, protocol: "messagepack", publish }));
      }
      it(`a token in the header admits over ${transport}`, () => hear(signalR, { url: server.hub, token: token(), transport, publish }));
      it(`a token in the query admits over ${transport}`, () =>
        hear(signalR, { url: `${server.hub}?access_token=${token()}`, transport, publish }));
    }
  });
}
