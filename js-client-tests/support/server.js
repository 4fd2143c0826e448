// Runs the real binary, and publishes to it as any backend would.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const binary = process.env.SIGNALHUB_BINARY ?? fileURLToPath(new URL("../../target/debug/signalhub", import.meta.url));

/** The key that tokens are signed with. */
export const SECRET = "a secret of the tests, of enough bytes for HS256";

const API_KEY = "key-of-the-test-publishers";

/** A running server. */
export class Server {
  #child;
  #exited;

  /** The address as the documents of Portos call it: scheme, host and port. */
  url;

  /** Starts a server; `listen` is an address to come back to after a restart. */
  static async start(listen = "127.0.0.1:0") {
    const server = new Server();
    await server.#spawn(listen);
    return server;
  }

  /** The hub of Portos. */
  get hub() {
    return this.url + "/signalr/v1/mainHub";
  }

  /** Publishes one event and returns its receipt. */
  async publish(event) {
    const response = await fetch(this.url + "/api/v1/publish", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-API-Key": API_KEY },
      body: JSON.stringify(event),
    });
    const text = await response.text();
    assert.equal(response.status, 202, `publishing ${JSON.stringify(event)} was answered: ${text}`);
    return JSON.parse(text);
  }

  /** Stops the server as a deploy would, and returns its exit code once it has ended. */
  async stop() {
    this.#child.kill("SIGTERM");
    return this.#exited;
  }

  async #spawn(listen) {
    assert.ok(existsSync(binary), `there is no server at ${binary}: run cargo build, or set SIGNALHUB_BINARY`);
    // Settings of whoever runs the tests must not reach the server.
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("SIGNALHUB_") && name !== "RUST_LOG");
    this.#child = spawn(binary, {
      env: {
        ...Object.fromEntries(inherited),
        SIGNALHUB_LISTEN__PUBLIC: listen,
        SIGNALHUB_AUTH__SECRET: SECRET,
        SIGNALHUB_PUBLISH__KEYS: API_KEY,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const child = this.#child;
    this.#exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
    // A test that dies must not leave its server behind.
    process.once("exit", () => child.kill("SIGKILL"));
    let said = "";
    this.url = await new Promise((resolve, reject) => {
      // In development mode the address is on the terminal, with a configured key it is in the log.
      const hear = (chunk) => {
        said += chunk;
        const address = /127\.0\.0\.1:[1-9]\d*(?=\D)/.exec(said);
        if (address) resolve("http://" + address[0]);
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it listened:\n${said}`)));
    });
  }
}
