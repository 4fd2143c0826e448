// A real Redis for a cluster of nodes.

import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { freePort } from "./free-port.js";
import { endWithTests } from "./program.js";

/** Whether `redis-server` is installed, with the command line client that comes with it. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

/** Why tests with a failover are not run, or false. */
export const withoutSentinel = spawnSync("redis-sentinel", ["--version"]).status !== 0 && "not run: redis-sentinel is not installed";

/** A running Redis. Unless it is started with other arguments, a kill makes it forget everything. */
export class Redis {
  #process;
  #folder;
  #own;
  #args;

  port;

  /** Starts one; its files are in a folder of its own, or in the one that is named. */
  static async start(args = [], folder) {
    const redis = new Redis();
    redis.#own = folder ? null : await mkdtemp(join(tmpdir(), "signalhub-redis-"));
    redis.#folder = folder ?? redis.#own;
    redis.#args = args;
    redis.port = await freePort();
    await redis.restart();
    return redis;
  }

  /** Starts it again after a kill, on the same port and with the same files. */
  async restart() {
    const fixed = ["--bind", "127.0.0.1", "--port", String(this.port), "--dir", this.#folder, "--save", ""];
    this.#process = await started("redis-server", [...fixed, ...this.#args], "Ready to accept connections");
  }

  /** Kills it. */
  async kill() {
    await killed(this.#process);
  }

  /** Stops its process, with all sockets open, until it is resumed. */
  pause() {
    this.#process.kill("SIGSTOP");
  }

  resume() {
    this.#process.kill("SIGCONT");
  }

  /** Runs a command, and returns what the command line client prints. */
  command(...words) {
    return command(this.port, ...words);
  }

  async stop() {
    await killed(this.#process);
    if (this.#own) await rm(this.#own, { recursive: true, force: true });
  }
}

/** A primary, its replica and a sentinel, which makes the replica the primary when that is gone. */
export class Sentinel {
  #primary;
  #replica;
  #process;
  #folder;
  #port;

  static async start() {
    const sentinel = new Sentinel();
    // The replica has a user of its own, so that it alone can be locked out.
    const user = ["--user", "replica", "on", ">replica", "~*", "&*", "+@all"];
    sentinel.#primary = await Redis.start(user);
    const replicated = ["--replicaof", "127.0.0.1", String(sentinel.#primary.port), "--masteruser", "replica", "--masterauth", "replica"];
    // After a failover it has replicas itself.
    replicated.push(...user);
    sentinel.#replica = await Redis.start(replicated);
    sentinel.#folder = await mkdtemp(join(tmpdir(), "signalhub-sentinel-"));
    sentinel.#port = await freePort();
    const file = join(sentinel.#folder, "sentinel.conf");
    await writeFile(file, [
      `port ${sentinel.#port}`,
      "bind 127.0.0.1",
      `dir ${sentinel.#folder}`,
      `sentinel monitor events 127.0.0.1 ${sentinel.#primary.port} 1`,
      "sentinel down-after-milliseconds events 1000",
      "sentinel failover-timeout events 10000",
    ].join("\n"));
    await sentinel.#until(() => /master_link_status:up/.test(sentinel.#replica.command("INFO", "replication")));
    sentinel.#process = await started("redis-sentinel", [file], "+monitor");
    await sentinel.#until(() => /slaves=1/.test(command(sentinel.#port, "INFO", "sentinel")));
    return sentinel;
  }

  /** What nodes are told. */
  get url() {
    return `redis+sentinel://127.0.0.1:${this.#port}/events`;
  }

  /** Keeps everything from the replica that is written from now on. */
  lockReplicaOut() {
    this.#primary.command("ACL", "SETUSER", "replica", "off");
    this.#primary.command("CLIENT", "KILL", "TYPE", "replica");
  }

  /** Cuts the primary off from its replica and from the sentinel, but not from nodes, and completes when the replica is a primary, too. */
  async isolatePrimary() {
    this.lockReplicaOut();
    // Nodes do not use this command, and the sentinel takes a server for gone that does not answer it.
    this.#primary.command("ACL", "SETUSER", "default", "-ping");
    await this.#promoted();
  }

  /** Ends that, and completes when the old primary has become a replica. */
  async rejoinPrimary() {
    this.#primary.command("ACL", "SETUSER", "replica", "on");
    this.#primary.command("ACL", "SETUSER", "default", "+ping");
    await this.#demoted();
  }

  /** Stops the process of the primary with all sockets open, lets the replica take its place, and lets it go on. */
  async hangPrimary() {
    this.#primary.pause();
    await this.#promoted();
    this.#primary.resume();
    await this.#demoted();
  }

  /** Kills the primary, and completes when the replica has taken its place. */
  async killPrimary() {
    await this.#primary.kill();
    await this.#promoted();
  }

  /** Lets the two change places, in order. */
  async failOver() {
    command(this.#port, "SENTINEL", "FAILOVER", "events");
    await this.#promoted();
  }

  async #promoted() {
    const port = String(this.#replica.port);
    await this.#until(() => command(this.#port, "SENTINEL", "get-master-addr-by-name", "events").includes(port));
    await this.#until(() => /role:master/.test(this.#replica.command("INFO", "replication")));
  }

  async #demoted() {
    await this.#until(() => /role:slave/.test(this.#primary.command("INFO", "replication")));
  }

  async #until(isDone) {
    const deadline = Date.now() + 30_000;
    while (!isDone()) {
      if (Date.now() > deadline) throw new Error("the sentinel does not do what is expected");
      await delay(50);
    }
  }

  async stop() {
    if (this.#process) await killed(this.#process);
    await this.#replica?.stop();
    await this.#primary?.stop();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Starts a program, and completes when it has printed that it is ready. */
async function started(program, args, ready) {
  const child = endWithTests(spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] }));
  let printed = "";
  await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}: ${printed}`)));
    child.stdout.on("data", (text) => {
      printed += text;
      if (printed.includes(ready)) resolve();
    });
  });
  return child;
}

async function killed(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

function command(port, ...words) {
  const { status, stdout, stderr } = spawnSync("redis-cli", ["-p", String(port), ...words], { encoding: "utf8" });
  if (status !== 0) throw new Error(`redis-cli ${words.join(" ")}: ${stderr}`);
  return stdout.trim();
}
