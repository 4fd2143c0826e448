// The official JavaScript client, in each way in which it connects.

import { listen } from "./ledger.js";

/** Functions that start a client of this library at a URL: one for each transport and protocol. */
export function javascript({ version, signalR }) {
  const { MessagePackHubProtocol } = signalR.protocols.msgpack;
  const ways = [
    ["WebSockets, JSON", {}],
    ["WebSockets, MessagePack", { protocol: new MessagePackHubProtocol() }],
    ["Server-Sent Events, JSON", { transport: "ServerSentEvents" }],
    ["long polling, JSON", { transport: "LongPolling" }],
  ];
  return ways.map(([way, options]) => (url) => listen(signalR, url, { title: `@microsoft/signalr ${version}: ${way}`, ...options }));
}
