// The network between a node and its Redis: it forwards bytes until it is told to fail.

import { connect, createServer } from "node:net";

/** A port in front of another one, on this machine. */
export class Link {
  #server;
  #upstream;
  #pairs = new Set();
  #state = "whole";
  #delay = 0;

  static async open(upstream) {
    const link = new Link();
    link.#upstream = upstream;
    link.#server = createServer((client) => link.#accept(client));
    await new Promise((resolve) => link.#server.listen(0, "127.0.0.1", resolve));
    return link;
  }

  get port() {
    return this.#server.address().port;
  }

  /** Resets all connections, and each new one at once. */
  cut() {
    this.#state = "cut";
    this.#pairs.forEach((pair) => pair.forEach((socket) => socket.resetAndDestroy()));
  }

  /** Keeps all connections open, and forwards nothing. */
  hang() {
    this.#state = "hanging";
    this.#pairs.forEach((pair) => pair.forEach((socket) => socket.pause()));
  }

  /** Forwards everything this number of milliseconds late. */
  slow(milliseconds) {
    this.#delay = milliseconds;
  }

  /** Forwards again, with what was held back. */
  heal() {
    this.#state = "whole";
    this.#delay = 0;
    this.#pairs.forEach((pair) => pair.forEach((socket) => socket.resume()));
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#pairs.forEach((pair) => pair.forEach((socket) => socket.destroy()));
    await closed;
  }

  #accept(client) {
    if (this.#state === "cut") return void client.resetAndDestroy();
    const pair = [client, connect(this.#upstream, "127.0.0.1")];
    this.#pairs.add(pair);
    pair.forEach((from, index) => {
      const to = pair[1 - index];
      from.on("error", () => from.destroy());
      from.on("data", (piece) => this.#pass(to, piece));
      from.on("end", () => to.end());
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      if (this.#state === "hanging") from.pause();
    });
  }

  #pass(to, piece) {
    // Pieces keep their order: what was held back longer is written first.
    to.late = Math.max(performance.now() + this.#delay, to.late ?? 0);
    const wait = to.late - performance.now();
    if (wait <= 0) to.write(piece);
    else setTimeout(() => to.destroyed || to.write(piece), Math.ceil(wait));
  }
}
