// A bad network: it forwards bytes until it is told to cut, and then breaks a WebSocket in the middle of what it says.

import { connect, createServer } from "node:net";

/** How a network loses a WebSocket. */
export const CUTS = ["reset", "orderly end", "silence"];

/** A port in front of another one. */
export class Cutter {
  #server;
  #sockets = new Set();
  #armed = null;

  /** How many WebSockets were cut in each way. */
  made = Object.fromEntries(CUTS.map((cut) => [cut, 0]));

  /** Opens one in front of this address. */
  static async open(upstream) {
    const cutter = new Cutter();
    const { hostname, port } = new URL(upstream);
    cutter.#server = createServer((client) => cutter.#forward(client, connect(Number(port), hostname)));
    await new Promise((resolve) => cutter.#server.listen(0, "127.0.0.1", resolve));
    return cutter;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Cuts the WebSocket that talks next; a number picks how, and how many bytes it may still say. */
  arm(number) {
    this.#armed = { cut: CUTS[number % CUTS.length], bytes: (number * 97) % 1000 };
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#sockets.forEach((socket) => socket.destroy());
    await closed;
  }

  #forward(client, server) {
    const pair = { client, server, state: "new", silent: false };
    for (const [from, to] of [[client, server], [server, client]]) {
      this.#sockets.add(from);
      from.on("error", () => from.destroy());
      from.on("end", () => pair.silent || to.end());
      from.on("close", () => {
        this.#sockets.delete(from);
        if (!pair.silent) to.destroy();
      });
      from.on("data", (piece) => this.#pass(pair, from, to, piece));
    }
  }

  #pass(pair, from, to, piece) {
    if (pair.silent) return;
    if (from === pair.client) {
      if (pair.state === "new") pair.state = /\r\nupgrade: websocket/i.test(piece.toString("latin1")) ? "asked" : "plain";
      // The first frame shows that the client has taken the WebSocket for open.
      else if (pair.state === "asked") pair.state = "open";
    }
    if (pair.state !== "open" || !this.#armed) return void to.write(piece);
    const { cut, bytes } = this.#armed;
    if (piece.length < bytes) {
      this.#armed.bytes -= piece.length;
      to.write(piece);
    } else {
      this.#cut(pair, to, cut, piece.subarray(0, bytes));
    }
  }

  /** Lets these last bytes through. */
  #cut(pair, to, cut, last) {
    this.#armed = null;
    this.made[cut] += 1;
    pair.silent = true;
    to.write(last, () => {
      // The server's side of a silent cut stays open: it must not mind.
      const ends = cut === "silence" ? [pair.client] : [pair.client, pair.server];
      ends.forEach((socket) => (cut === "orderly end" ? socket.end() : socket.resetAndDestroy()));
    });
  }
}
