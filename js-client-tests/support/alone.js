// One server without a cluster, with the members of a cluster that the fault suite uses.

import { Server } from "./server.js";

export class Alone {
  #settings;
  server;
  /** What is done when it has stopped. */
  afterwards = [];

  static async start(settings) {
    const alone = new Alone();
    alone.#settings = settings;
    alone.server = await Server.start(undefined, settings);
    return alone;
  }

  get url() {
    return this.server.url;
  }

  get urls() {
    return [this.url];
  }

  async joined() {}

  async stop() {
    await this.server.stop();
    for (const end of this.afterwards) await end();
  }
}
