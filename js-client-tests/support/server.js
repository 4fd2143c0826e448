// Runs the real binary, and publishes to it as any backend would.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";

import { Program, built } from "./program.js";

/** The key that tokens are signed with. */
export const SECRET = "a secret of the tests, of enough bytes for HS256";

/** The variable that lists the origins whose pages may use the hub. */
export const SETTING_OF_ORIGINS = "SIGNALHUB_CORS__ORIGINS";

/** The key of publishers. */
export const API_KEY = "key-of-the-test-publishers";

/** A running server. */
export class Server {
  #program;
  /** The certificate with which it speaks TLS, if it does. */
  #certificate;

  /**
   * Starts a server; `listen` is an address to come back to after a restart, `settings` are further variables, and those
   * that are undefined are left out. The binary is the one that was built unless another is named.
   */
  static async start(listen = "127.0.0.1:0", settings = {}, binary = built("signalhub", "SIGNALHUB_BINARY")) {
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
    if (given.SIGNALHUB_TLS__CERTIFICATE) server.#certificate = readFileSync(given.SIGNALHUB_TLS__CERTIFICATE);
    server.#program = await Program.start(binary, { settings: given });
    return server;
  }

  /** The address as the documents of Portos call it: scheme, host and port. */
  get url() {
    return this.#certificate ? this.#program.url.replace("http:", "https:") : this.#program.url;
  }

  /** The hub of Portos. */
  get hub() {
    return this.url + "/signalr/v1/mainHub";
  }

  /** The id of its process. */
  get pid() {
    return this.#program.pid;
  }

  /** What it has printed so far, with its log. */
  get output() {
    return this.#program.output;
  }

  /** The token that it prints in development mode. */
  async printedToken() {
    const [token] = await this.#program.printed(/\bey[\w-]+\.[\w-]+\.[\w-]+(?=\s)/);
    return token;
  }

  /** Completes when its log matches. */
  logged(pattern) {
    return this.#program.printed(pattern);
  }

  /** Makes it read its certificate again, and completes when its log matches. */
  hangUp(pattern) {
    this.#program.signal("SIGHUP");
    return this.logged(pattern);
  }

  /** Publishes one event and returns its receipt. With a key, it may be repeated. */
  async publish(event, { key } = {}) {
    const headers = { "Content-Type": "application/json", "X-API-Key": API_KEY, ...(key && { "Idempotency-Key": key }) };
    const { status, text } = await post(this.url + "/api/v1/publish", headers, JSON.stringify(event), this.#certificate);
    assert.equal(status, 202, `publishing ${JSON.stringify(event)} was answered: ${text}`);
    return JSON.parse(text);
  }

  /** Stops its process, with all sockets open, until it is resumed. */
  pause() {
    this.#program.signal("SIGSTOP");
  }

  resume() {
    this.#program.signal("SIGCONT");
  }

  /** Stops the server, as a deploy would or with another signal, and returns its exit code once it has ended. */
  async stop(signal) {
    return this.#program.stop(signal);
  }

  /** Kills the server, and completes once it has ended. */
  async kill() {
    return this.#program.stop("SIGKILL");
  }
}

/** Posts a text; `ca` is the root that is trusted. */
function post(url, headers, text, ca) {
  const { request } = ca ? https : http;
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: "POST", headers: { ...headers, "Content-Length": Buffer.byteLength(text) }, ca });
    asked.once("error", reject);
    asked.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => (text += piece));
      response.once("error", reject).once("end", () => resolve({ status: response.statusCode, text }));
    });
    asked.end(text);
  });
}
