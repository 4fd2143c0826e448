// The disk of a history fails: publishers are told, clients stay connected, and nothing is lost when it works again.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { settings, wanted } from "../kills/events.js";
import { publish } from "../kills/http.js";
import { listen } from "../kills/ledger.js";
import { libraries } from "../support/libraries.js";
import { Server } from "../support/server.js";
import { without } from "../support/tool.js";

const { signalR } = libraries.at(-1);

/** Makes calls of the system fail while a file exists. */
const SHIM = fileURLToPath(new URL("../../crates/signalhub-history/tests/faults/shim.c", import.meta.url));

/** What the client got: the numbers of the events of each name. */
const numbers = (ledger, name) => ledger.of(name).map(({ number }) => number);

/** A server whose disk fails from `fail` to `mend`, and a client that resumes. */
async function start(t, fault) {
  const directory = await mkdtemp(join(tmpdir(), "signalhub-disk-faults-"));
  t.after(() => rm(directory, { recursive: true }));
  const library = join(directory, "shim.so");
  assert.equal(spawnSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"]).status, 0);
  const file = join(directory, fault);
  const faults = { LD_PRELOAD: library, [fault]: file };
  const server = await Server.start(undefined, { ...settings(join(directory, "history")), ...faults, SIGNALHUB_LISTEN__INTERNAL: "127.0.0.1:0" });
  t.after(() => server.kill());
  const [, internal] = await server.logged(/serving operators.*?(127\.0\.0\.1:\d+)/);
  const ledger = await listen(signalR, server.url, { title: "js" });
  t.after(() => ledger.stop());
  const failed = async () => /^signalhub_history_failed (\d)/m.exec(await (await fetch(`http://${internal}/metrics`)).text())[1];
  return { server, ledger, failed, fail: () => writeFile(file, ""), mend: () => rm(file) };
}

/** Publishes until the answer is 202, with the same key. */
async function publishUntilAccepted(url, event, key) {
  for (;;) {
    const { status, body } = await publish(url, event, key);
    if (status === 202) return body;
    assert.equal(status, 503, JSON.stringify(body));
    // The server tries its disk again after five seconds.
    await delay(100);
  }
}

describe("a server whose disk fails", { skip: without("cc"), concurrency: true }, () => {
  for (const [fault, what, wait] of [
    ["FAULT_WRITE", "writes fail with EIO", "accepted"],
    ["FAULT_FULL", "writes fail with ENOSPC", "accepted"],
    ["FAULT_SYNC", "syncs fail with EIO", "durable"],
  ]) {
    it(`the binary answers 503 while ${what}, keeps its clients, and loses nothing`, async (t) => {
      const { server, ledger, failed, fail, mend } = await start(t, fault);
      const name = wanted(0)[1].e;
      const first = await publish(server.url, wanted(1)[1], "one");
      assert.equal(first.status, 202);
      await fail();
      const { status, headers, body } = await publish(server.url, wanted(2)[1], "two", { wait });
      assert.deepEqual([status, headers["retry-after"], body.code], [503, "5", "history_unavailable"]);
      assert.equal(await failed(), "1");
      await mend();
      const second = await publishUntilAccepted(server.url, wanted(2)[1], "two");
      assert.equal(await failed(), "0");
      for (const { e, ...event } of wanted(3)) assert.equal((await publish(server.url, { e, ...event }, `three-${e}`)).status, 202);
      assert.ok(await ledger.reaches(3, 20_000));
      assert.deepEqual(numbers(ledger, name), [1, 2, 3]);
      assert.deepEqual([ledger.gaps, ledger.reconnects], [[], 0]);
      const sameEpoch = first.body.position.split(":")[0] === second.position.split(":")[0];
      // A sync that has failed tells nothing of what is on the disk.
      assert.equal(sameEpoch, fault !== "FAULT_SYNC");
    });
  }
});
