// A deployment: the server shuts down gracefully, and clients reconnect if they are configured to.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { LICENCE, brief, licence } from "../features/events.js";
import { libraries, oldest } from "../support/libraries.js";
import { settle } from "../features/listener.js";
import { connect } from "../support/listener.js";
import { Server } from "../support/server.js";

const TRANSPORTS = ["WebSockets", "ServerSentEvents", "LongPolling"];

for (const { version, signalR } of [...libraries, oldest]) {
  describe(`a restart of the server (@microsoft/signalr ${version})`, () => {
    for (const transport of TRANSPORTS) {
      it(`ends in a way after which clients come back, over ${transport}`, async (t) => {
        const server = await Server.start();
        t.after(() => server.stop());
        const listener = await connect(signalR, server, {
          options: { transport: signalR.HttpTransportType[transport] },
          // The client retries until it succeeds, or until the time limit of the test.
          configure: (builder) => builder.withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 }),
        });
        const { connection } = listener;
        t.after(() => connection.stop());
        const reconnecting = new Promise((resolve) => connection.onreconnecting(resolve));
        const reconnected = new Promise((resolve) => connection.onreconnected(resolve));
        await listener.subscribe({ e: LICENCE });

        assert.equal(await server.stop(), 0);
        await reconnecting;

        const successor = await Server.start(new URL(server.url).host);
        t.after(() => successor.stop());
        await reconnected;
        // Subscriptions end with their connection.
        await successor.publish(licence());
        await settle(successor, [listener]);
        assert.deepEqual(listener.heard, []);
        await listener.subscribe({ e: LICENCE });
        await successor.publish(licence());
        await settle(successor, [listener]);
        assert.deepEqual(listener.heard.map(brief), ["licence"]);
      });
    }

    it("ends a client that does not want to come back", async (t) => {
      const server = await Server.start();
      t.after(() => server.stop());
      const { connection } = await connect(signalR, server);
      const closed = new Promise((resolve) => connection.onclose(resolve));
      await server.stop();
      await closed;
      assert.equal(connection.state, signalR.HubConnectionState.Disconnected);
    });
  });
}
