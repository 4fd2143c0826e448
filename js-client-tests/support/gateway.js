// Serves pages, and forwards everything else to a hub as a reverse proxy would; it can refuse what networks refuse.

import { createReadStream, existsSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { msgpackBundle } from "./libraries.js";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".json": "application/json" };

/** An empty page with the official client in it, and with MessagePack, which wants the client first. */
const PAGE =
  "<!doctype html><meta charset=utf-8><title>signalhub</title><link rel=icon href=data:,>" +
  "<script src=/client/signalr.js></script><script src=/msgpack/signalr-protocol-msgpack.js></script>";

const FEATURES = fileURLToPath(new URL("../features/", import.meta.url));

/** A server of its own port, and so an origin of its own. */
export class Gateway {
  #server;
  #sockets = new Set();

  /** Every request that was forwarded or refused: its way, such as `POST`, `GET event-stream` or `upgrade`, and its path. */
  seen = [];

  /**
   * Opens a gateway. `bundle` is the folder of the client that pages load; `folders` are further ones by their paths;
   * `hub` is the address of the server behind it; `refuses` lists what does not come through: `upgrade`, `event-stream`;
   * `removes` is what is removed from the start of paths that have it.
   */
  static async open({ bundle, folders = {}, hub, refuses = [], removes = "" } = {}) {
    const gateway = new Gateway();
    const served = { "/features/": FEATURES, ...(bundle && { "/client/": bundle, "/msgpack/": msgpackBundle }), ...folders };
    gateway.#server = createServer((request, response) => gateway.#answer(request, response, { served, hub, refuses, removes }));
    gateway.#server.on("upgrade", (request, socket, head) => gateway.#upgrade(request, socket, head, { hub, refuses, removes }));
    gateway.#server.on("connection", (socket) => {
      gateway.#sockets.add(socket);
      socket.once("close", () => gateway.#sockets.delete(socket));
    });
    await new Promise((resolve) => gateway.#server.listen(0, "127.0.0.1", resolve));
    return gateway;
  }

  /** Its origin. */
  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Ends it with all its connections. */
  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#sockets.forEach((socket) => socket.destroy());
    await closed;
  }

  #answer(request, response, { served, hub, refuses, removes }) {
    const { pathname } = new URL(request.url, this.url);
    if (pathname === "/") return void response.setHeader("Content-Type", TYPES[".html"]).end(PAGE);
    const prefixes = Object.keys(served).filter((prefix) => pathname.startsWith(prefix));
    const prefix = prefixes.sort((one, other) => other.length - one.length)[0];
    if (prefix) return void serve(join(served[prefix], normalize(pathname.slice(prefix.length))), response);
    if (!hub) return void response.writeHead(404).end();
    const stream = request.headers.accept === "text/event-stream";
    this.seen.push([stream ? "GET event-stream" : request.method, pathname]);
    // After a failure of the gateway the client for Node would go on asking behind everybody's back.
    if (stream && refuses.includes("event-stream")) return void response.writeHead(403).end();
    const { method, headers } = request;
    const onward = forward(hub + without(removes, request.url), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      // An event stream that has said nothing yet is open all the same.
      response.flushHeaders();
      answer.pipe(response);
      answer.once("close", () => answer.complete || response.destroy());
    });
    onward.once("error", () => response.destroy());
    response.once("close", () => onward.destroy());
    request.pipe(onward);
  }

  #upgrade(request, socket, head, { hub, refuses, removes }) {
    socket.on("error", () => socket.destroy());
    if (!hub) return void socket.destroy();
    this.seen.push(["upgrade", new URL(request.url, this.url).pathname]);
    if (refuses.includes("upgrade")) return void socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    const onward = forward(hub + without(removes, request.url), { method: request.method, headers: request.headers });
    onward.once("error", () => socket.destroy());
    onward.once("response", (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} Refused\r\nContent-Length: 0\r\n\r\n`));
    onward.once("upgrade", ({ rawHeaders }, server, first) => {
      const lines = rawHeaders.map((word, index) => word + (index % 2 ? "\r\n" : ": "));
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
      socket.write(first);
      server.write(head);
      server.on("error", () => socket.destroy()).on("close", () => socket.destroy());
      socket.on("close", () => server.destroy());
      server.pipe(socket).pipe(server);
    });
    onward.end();
  }
}

function without(start, url) {
  return url.startsWith(start) ? url.slice(start.length) : url;
}

function serve(path, response) {
  if (!existsSync(path)) return void response.writeHead(404).end();
  response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" });
  createReadStream(path).pipe(response);
}
