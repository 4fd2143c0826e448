// Runs one of our programs until the tests end it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The path of a program that cargo built, unless this variable names another. */
export function built(name, variable) {
  return process.env[variable] ?? fileURLToPath(new URL(`../../target/debug/${name}`, import.meta.url));
}

const running = new Set();
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Ends a child with this process: a test that dies must not leave its servers behind. */
export function endWithTests(child) {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** A running program that listens on 127.0.0.1. */
export class Program {
  #child;
  #exited;
  #said = "";
  #hearing = [];

  /** Where it listens: scheme, host and port. */
  url;

  /** Starts it and waits until it has said where it listens. */
  static async start(binary, { args = [], settings = {} } = {}) {
    assert.ok(existsSync(binary), `there is no program at ${binary}: run cargo build`);
    const program = new Program();
    await program.#spawn(binary, args, settings);
    return program;
  }

  /** Completes with the match when it has printed something like this, on either stream. */
  printed(pattern) {
    return new Promise((resolve) => {
      const hear = () => {
        const match = pattern.exec(this.#said);
        if (match) resolve(match);
      };
      this.#hearing.push(hear);
      hear();
    });
  }

  /** Sends it a signal that does not stop it. */
  signal(signal) {
    this.#child.kill(signal);
  }

  /** The id of its process. */
  get pid() {
    return this.#child.pid;
  }

  /** What it has printed so far, on both streams. */
  get output() {
    return this.#said;
  }

  /** Stops it in order, and returns its exit code once it has ended. */
  async stop(signal = "SIGTERM") {
    this.#child.kill(signal);
    return this.#exited;
  }

  async #spawn(binary, args, settings) {
    // Environment variables of the test run must not reach the program.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SIGNALHUB_") && name !== "RUST_LOG");
    const child = spawn(binary, args, { env: { ...Object.fromEntries(inherited), ...settings }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
    endWithTests(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        this.#said += chunk;
        this.#hearing.forEach((hear) => hear());
      });
    }
    const failed = new Promise((_, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`it ended with ${code} before it listened:\n${this.#said}`)));
    });
    // In development mode the address is on the terminal, otherwise in the log, which names other addresses, too.
    const listening = this.printed(/(?:\blistening\b.*|\bHub +http:\/\/)\b(127\.0\.0\.1:\d+)(?=\D)/);
    const [, address] = await Promise.race([listening, failed]);
    failed.catch(() => {});
    this.url = "http://" + address;
  }
}

/**
 * Starts the server of the recorded hubs, which has a method for everything that SignalR can do. A running one, such as the
 * original, is named by SIGNALHUB_CONFORMANCE_URL.
 */
export async function startConformanceServer() {
  const running = process.env.SIGNALHUB_CONFORMANCE_URL;
  if (running) return { url: running, stop: async () => {} };
  const binary = built("conformance-server", "SIGNALHUB_CONFORMANCE_SERVER");
  return Program.start(binary, { args: ["--listen", "127.0.0.1:0"] });
}
