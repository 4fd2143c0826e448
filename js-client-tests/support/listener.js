// Official clients in Node, connected to the hub of Portos of the binary.

import { Listener } from "../features/listener.js";
import { token } from "./token.js";

/** Connects a client of this library; `configure` may change the builder, `options` those of `withUrl`. */
export async function connect(signalR, server, { claims, options, configure = (builder) => builder } = {}) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(server.hub, { accessTokenFactory: () => token(claims), ...options })
    .configureLogging(signalR.LogLevel.None);
  const listener = new Listener(configure(builder).build());
  await listener.connection.start();
  return listener;
}
