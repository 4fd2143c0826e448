// Nothing is lost silently when a part of a cluster fails. The faults that take long are left to `cargo xtask faults`.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { FAULTS } from "./faults.js";
import { run } from "./run.js";
import { listen } from "../kills/ledger.js";
import { withoutCluster } from "../support/cluster.js";
import { libraries } from "../support/libraries.js";

const { version, signalR } = libraries.at(-1);

const clients = ["WebSockets", "WebSockets", "ServerSentEvents", "LongPolling"].map((transport, number) => {
  const title = `client ${number}, @microsoft/signalr ${version}, ${transport}`;
  return (url) => listen(signalR, url, { title, transport });
});

describe("two nodes and a Redis", { skip: withoutCluster }, () => {
  for (const fault of FAULTS.filter(({ slow }) => !slow)) {
    it(`lose nothing silently when ${fault.claim}`, async () => {
      const { problems, late, clients: ledgers, published } = await run({ nodes: 2, fault, clients });
      assert.deepEqual(problems, []);
      assert.deepEqual(late, []);
      assert.ok(published > 50, `${published} events test little`);
      if (fault.loses) return;
      for (const { title, owed, delivered, ...wrong } of ledgers) {
        assert.equal(delivered, owed, title);
        assert.deepEqual(wrong, { lost: 0, doubled: 0, unordered: 0, foreign: 0, gaps: 0 }, title);
      }
    });
  }
});
