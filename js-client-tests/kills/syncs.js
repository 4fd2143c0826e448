// How often the binary waits for its disk, for `cargo xtask faults`: prints a part of docs/fault-report.md.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { Server } from "../support/server.js";
import { without } from "../support/tool.js";
import { settings, wanted } from "./events.js";
import { publish } from "./http.js";

const CALLS = 100;
const AT_ONCE = 64;

/** `history.sync_interval` in milliseconds, as it is by default. */
const SYNC_INTERVAL = 1_000;

/** Publishes so many events, as many at once, and returns how many milliseconds that took. */
async function publishAll(url, load, count, atOnce, wait) {
  const start = performance.now();
  let next = 0;
  const publisher = async () => {
    while (next < count) {
      const number = next++;
      const answer = await publish(url, wanted(number)[0], `load-${load}-${number}`, { wait });
      if (answer?.status !== 202) throw new Error(`a publish was answered with ${JSON.stringify(answer)}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, publisher));
  return performance.now() - start;
}

/** Lets strace count the syncs of a process; null without strace. */
async function trace(pid, file) {
  if (without("strace", "-V")) return null;
  const child = spawn("strace", ["-f", "-e", "trace=fdatasync,fsync", "-o", file, "-p", String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const attached = await new Promise((resolve) => {
    child.stderr.on("data", (text) => String(text).includes("attached") && resolve(true));
    ended.then(() => resolve(false));
  });
  if (!attached) return null;
  return {
    count: async () => (await readFile(file, "utf8")).match(/\bf(data)?sync\(/g)?.length ?? 0,
    stop: () => (child.kill("SIGINT"), ended),
  };
}

async function metric(internal, name) {
  const text = await (await fetch(`${internal}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)[1]);
}

const directory = await mkdtemp(join(tmpdir(), "signalhub-syncs-"));
const server = await Server.start(undefined, { ...settings(join(directory, "history")), SIGNALHUB_LISTEN__INTERNAL: "127.0.0.1:0" });
const [, address] = await server.logged(/serving operators.*?(127\.0\.0\.1:\d+)/);
const traced = await trace(server.pid, join(directory, "strace"));
const counts = async () => [await metric(`http://${address}`, "signalhub_history_syncs_total"), (await traced?.count()) ?? "not run"];

console.log("| load | publishes | seconds | `signalhub_history_syncs_total` | `fdatasync` and `fsync` seen by strace |\n|---|---|---|---|---|");
const loads = [
  ["`wait=accepted`, one after another", CALLS, 1, "accepted"],
  ["`wait=accepted`, 8 at once", 40 * CALLS, 8, "accepted"],
  ["`wait=durable`, one after another", CALLS, 1, "durable"],
  [`\`wait=durable\`, ${AT_ONCE} at once`, 20 * AT_ONCE, AT_ONCE, "durable"],
];
for (const [index, [title, count, atOnce, wait]] of loads.entries()) {
  const before = await counts();
  const milliseconds = await publishAll(server.url, index, count, atOnce, wait);
  // What is still not on disk belongs to this load.
  await delay(2 * SYNC_INTERVAL);
  const after = await counts();
  const [metric, calls] = after.map((value, at) => (typeof value === "number" ? value - before[at] : value));
  console.log(`| ${title} | ${count} | ${(milliseconds / 1_000).toFixed(2)} | ${metric} | ${calls} |`);
}
await traced?.stop();
await server.stop();
await rm(directory, { recursive: true });
