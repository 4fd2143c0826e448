// A real Redis for a cluster of nodes.

import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "./free-port.js";

/** Whether `redis-server` is installed, with the command line client that comes with it. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

/** A running Redis. Unless it is started with other arguments, a kill makes it forget everything. */
export class Redis {
  #process;
  #folder;
  #args;

  port;

  static async start(args = []) {
    const redis = new Redis();
    redis.#folder = await mkdtemp(join(tmpdir(), "signalhub-redis-"));
    redis.#args = args;
    redis.port = await freePort();
    await redis.restart();
    return redis;
  }

  /** Starts it again after a kill, on the same port and with the same files. */
  async restart() {
    const fixed = ["--bind", "127.0.0.1", "--port", String(this.port), "--dir", this.#folder, "--save", ""];
    const child = spawn("redis-server", [...fixed, ...this.#args], { stdio: ["ignore", "pipe", "ignore"] });
    this.#process = child;
    let printed = "";
    await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}: ${printed}`)));
      child.stdout.on("data", (text) => {
        printed += text;
        if (printed.includes("Ready to accept connections")) resolve();
      });
    });
  }

  /** Kills it. */
  async kill() {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }

  /** Runs a command, and returns what the command line client prints. */
  command(...words) {
    const { status, stdout, stderr } = spawnSync("redis-cli", ["-p", String(this.port), ...words], { encoding: "utf8" });
    if (status !== 0) throw new Error(`redis-cli ${words.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  async stop() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
