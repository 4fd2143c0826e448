// Nothing is lost when the binary is killed.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { libraries } from "../support/libraries.js";
import { listen } from "../kills/ledger.js";
import { run } from "../kills/run.js";

const { version, signalR } = libraries.at(-1);

const clients = ["WebSockets", "ServerSentEvents", "LongPolling"].map((transport) => {
  const title = `@microsoft/signalr ${version}, ${transport}`;
  return (url) => listen(signalR, url, { title, transport });
});

describe("a server with a history on disk that is killed", () => {
  it("keeps each event that was answered, and clients that resume get each once and in order", async () => {
    const { problems, late, clients: ledgers, published } = await run({ kills: 3, seed: 20, clients, pause: (random) => 200 + random(600) });
    assert.deepEqual(problems, []);
    assert.deepEqual(late, []);
    assert.ok(published > 100, `${published} events test little`);
    for (const { title, owed, delivered, ...wrong } of ledgers) {
      assert.equal(delivered, owed, title);
      assert.deepEqual(wrong, { lost: 0, doubled: 0, unordered: 0, foreign: 0, gaps: 0 }, title);
    }
  });
});
