// A client that can stop reading.

import WebSocket from "ws";

import { listen } from "../kills/ledger.js";

/** A function that starts one at a URL. Its ledger has the `sockets` that can be paused. */
export const sleeper = ({ version, signalR }) => async (url) => {
  const sockets = [];
  class Socket extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const title = `@microsoft/signalr ${version}: WebSockets, JSON, which stops reading`;
  const ledger = await listen(signalR, url, { title, options: { WebSocket: Socket } });
  ledger.sockets = sockets;
  return ledger;
};
