// Nothing is lost silently when a part of a cluster fails. The faults that take long are left to `cargo xtask faults`.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { listen } from "../kills/ledger.js";
import { libraries } from "../support/libraries.js";
import { FAULTS } from "./faults.js";
import { run } from "./run.js";
import { wrongs } from "./verify.js";

const SEED = 22;

const { version, signalR } = libraries.at(-1);

const clients = ["WebSockets", "WebSockets", "ServerSentEvents", "LongPolling"].map((transport, number) => {
  const title = `client ${number}, @microsoft/signalr ${version}, ${transport}`;
  return (url) => listen(signalR, url, { title, transport });
});

describe("two nodes and a Redis", () => {
  for (const fault of FAULTS.filter(({ gate }) => gate)) {
    it(`lose nothing silently when ${fault.claim}`, { skip: fault.without }, async () => {
      const result = await run({ fault, clients, seed: SEED });
      assert.deepEqual(wrongs(fault, result), []);
      assert.ok(result.published > 50, `${result.published} events test little`);
    });
  }
});
