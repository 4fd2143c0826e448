// A Node process of its own, in which features run: what it trusts is decided when it starts.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("node-process/program.js", import.meta.url));

/** Runs features with official clients in another process, as `stage.run` does in a page. */
export class NodeProcess {
  #child;
  #ended;
  #runs = new Map();

  /** Starts one that trusts the certificates of this file (`NODE_EXTRA_CA_CERTS`). */
  constructor(certificates) {
    this.#child = fork(PROGRAM, { env: { ...process.env, NODE_EXTRA_CA_CERTS: certificates } });
    this.#child.on("message", (message) => this.#hear(message));
    this.#ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#ended.then(() => this.#runs.forEach(({ reject }) => reject(new Error("the process of the client has ended"))));
  }

  /**
   * Calls a function of a module of features there, with the client of this version. It gets `settings`, and the functions of
   * `exposed`, which run here.
   */
  run(version, module, name, settings, exposed) {
    const id = this.#runs.size;
    return new Promise((resolve, reject) => {
      this.#runs.set(id, { resolve, reject, exposed });
      this.#child.send({ id, version, module, name, settings, exposed: Object.keys(exposed) });
    });
  }

  async stop() {
    this.#child.disconnect();
    await this.#ended;
  }

  async #hear({ id, call, error }) {
    const { resolve, reject, exposed } = this.#runs.get(id);
    if (call) {
      const answer = await exposed[call.name](...call.values).then((result) => ({ result }), ({ message }) => ({ error: message }));
      return void this.#child.send({ answered: call.number, ...answer });
    }
    if (error === undefined) resolve();
    else reject(new Error(error));
  }
}
