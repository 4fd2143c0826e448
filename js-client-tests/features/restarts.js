// A client that reconnects by itself after a restart of its server.

import { speaking } from "./cell.js";
import { LICENCE, licence } from "./events.js";
import { equal } from "./expect.js";

/** Connects, comes back after `restart`, subscribes again, and receives what is published then. */
export async function comesBack(signalR, { url, token, transport, protocol, publish, restart }) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => token, transport: signalR.HttpTransportType[transport] })
    .configureLogging(signalR.LogLevel.None)
    // The client retries until it succeeds, or until the time limit of the test.
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 });
  const connection = speaking(signalR, protocol, builder).build();
  const heard = new Promise((resolve) => connection.on("OnEvent", resolve));
  const reconnected = new Promise((resolve, reject) => {
    connection.onreconnected(resolve);
    connection.onclose((error) => reject(error ?? new Error("the connection was closed")));
  });
  // `reconnected` is awaited later.
  reconnected.catch(() => {});
  await connection.start();
  try {
    await restart();
    await reconnected;
    await connection.invoke("Subscribe", { e: LICENCE });
    equal((await publish(licence())).matched, 1);
    equal((await heard).e, LICENCE);
  } finally {
    await connection.stop();
  }
}
