// The wrapper of docs/history.md, with the official clients: what was published while they were away, and what a restart loses.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { resuming } from "../../examples/resuming/resuming.js";
import { CHANGED, changed } from "../features/events.js";
import { Cutter } from "../support/cutter.js";
import { libraries } from "../support/libraries.js";
import { Server } from "../support/server.js";
import { token } from "../support/token.js";

/** A client that comes back, with the versions of the tickets that it has got, and its gaps. */
async function listen(signalR, url, t) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(`${url}/signalr/v1/mainHub`, { accessTokenFactory: () => token() })
    .configureLogging(signalR.LogLevel.None)
    // The client retries until it succeeds, or until the time limit of the test.
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 })
    .build();
  const [versions, gaps, waiting] = [[], [], []];
  const look = () => waiting.filter(({ done }) => done()).forEach(({ resolve }) => resolve());
  const until = (done) => new Promise((resolve) => (waiting.push({ done, resolve }), look()));
  const onGap = (request, gap) => (gaps.push(gap), look());
  const subscribe = resuming(connection, ({ p }) => (versions.push(p.i.v), look()), onGap);
  t.after(() => connection.stop());
  await connection.start();
  await subscribe({ e: CHANGED, r: [{ n: "tickets" }] });
  return { connection, versions, gaps, until };
}

const ticket = (version) => changed("tickets", 2, { version });

for (const { version, signalR } of libraries) {
  describe(`a client that resumes (@microsoft/signalr ${version})`, () => {
    it("gets what was published while its connection was cut, once and in order", async (t) => {
      const server = await Server.start();
      t.after(() => server.stop());
      const cutter = await Cutter.open(server.url);
      t.after(() => cutter.close());
      const { connection, versions, gaps, until } = await listen(signalR, cutter.url, t);
      let published = 0;
      // Resets before a message and in the middle of it.
      for (const cut of [0, 3, 6]) {
        const lost = new Promise((resolve) => connection.onreconnecting(resolve));
        cutter.arm(cut);
        for (let n = 0; n < 4; n++) await server.publish(ticket(++published));
        await lost;
        for (let n = 0; n < 5; n++) await server.publish(ticket(++published));
        await until(() => versions.includes(published));
      }
      assert.deepEqual(versions, Array.from({ length: published }, (_, n) => n + 1));
      assert.deepEqual(gaps, []);
    });

    it("is told of a gap after a restart of the server, and fetches its state anew", async (t) => {
      const server = await Server.start();
      t.after(() => server.stop());
      const { versions, gaps, until } = await listen(signalR, server.url, t);
      await server.publish(ticket(1));
      await until(() => versions.length === 1);
      await server.stop();
      const successor = await Server.start(new URL(server.url).host);
      t.after(() => successor.stop());
      await until(() => gaps.length === 1);
      assert.equal(gaps[0].reason, "epoch");
      await successor.publish(ticket(2));
      await until(() => versions.length === 2);
      assert.deepEqual(versions, [1, 2]);
    });
  });
}
