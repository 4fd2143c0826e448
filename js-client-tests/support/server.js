// Runs the real binary, and publishes to it as any backend would.

import assert from "node:assert/strict";

import { Program, built } from "./program.js";

/** The key that tokens are signed with. */
export const SECRET = "a secret of the tests, of enough bytes for HS256";

/** The variable that lists the origins whose pages may use the hub. */
export const SETTING_OF_ORIGINS = "SIGNALHUB_CORS__ORIGINS";

const API_KEY = "key-of-the-test-publishers";

/** A running server. */
export class Server {
  #program;

  /**
   * Starts a server; `listen` is an address to come back to after a restart, `settings` are further variables, and those
   * that are undefined are left out.
   */
  static async start(listen = "127.0.0.1:0", settings = {}) {
    const server = new Server();
    const all = {
      SIGNALHUB_LISTEN__PUBLIC: listen,
      // Servers beside each other would want the same port for it.
      SIGNALHUB_LISTEN__INTERNAL: "",
      SIGNALHUB_AUTH__SECRET: SECRET,
      SIGNALHUB_PUBLISH__KEYS: API_KEY,
      ...settings,
    };
    const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    server.#program = await Program.start(built("signalhub", "SIGNALHUB_BINARY"), { settings: given });
    return server;
  }

  /** The address as the documents of Portos call it: scheme, host and port. */
  get url() {
    return this.#program.url;
  }

  /** The hub of Portos. */
  get hub() {
    return this.url + "/signalr/v1/mainHub";
  }

  /** The token that it prints in development mode. */
  async printedToken() {
    const [token] = await this.#program.printed(/\bey[\w-]+\.[\w-]+\.[\w-]+(?=\s)/);
    return token;
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
    return this.#program.stop();
  }
}
