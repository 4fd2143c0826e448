// What a client has got, in the order in which it has got it.

import { resuming } from "../../examples/resuming/resuming.js";
import { token } from "../support/token.js";
import { REQUESTS, number } from "./events.js";

/** The ledger of a client: the events by their names, and the gaps that it was told of. */
class Ledger {
  #events = new Map();
  #waiting = [];
  gaps = [];
  /** How often the client has come back. */
  reconnects = 0;
  title;

  constructor(title) {
    this.title = title;
  }

  add(event) {
    const events = this.#events.get(event.e) ?? [];
    events.push({ position: event.r, number: number(event) });
    this.#events.set(event.e, events);
    this.#waiting = this.#waiting.filter(({ done, resolve }) => !done() || resolve());
  }

  /** What it has got of a name. */
  of(name) {
    return this.#events.get(name) ?? [];
  }

  /** Completes with true when it has got the event with this number of each name, and with false when that takes too long. */
  async reaches(last, milliseconds) {
    const has = (name) => this.of(name).some((event) => event.number === last);
    const done = () => REQUESTS.every(({ e }) => has(e));
    if (done()) return true;
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, milliseconds, false)));
    const reached = new Promise((resolve) => this.#waiting.push({ done, resolve: () => resolve(true) }));
    return Promise.race([reached, late]).finally(() => clearTimeout(timer));
  }
}

/** The official JavaScript client with the wrapper, in this process. */
export async function listen(signalR, url, { title, transport = "WebSockets", protocol }) {
  const ledger = new Ledger(title);
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(`${url}/signalr/v1/mainHub`, { accessTokenFactory: () => token(), transport: signalR.HttpTransportType[transport] })
    .configureLogging(signalR.LogLevel.None)
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 });
  if (protocol) builder.withHubProtocol(protocol);
  const connection = builder.build();
  const subscribe = resuming(connection, (event) => ledger.add(event), (_, gap) => ledger.gaps.push(gap));
  connection.onreconnected(() => ledger.reconnects++);
  await connection.start();
  for (const request of REQUESTS) await subscribe(request);
  ledger.stop = () => connection.stop();
  return ledger;
}
