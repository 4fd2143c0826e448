// What a client has got, in the order in which it has got it.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { resuming } from "../../examples/resuming/resuming.js";
import { TolerantEventSource } from "../support/event-source.js";
import { endWithTests } from "../support/program.js";
import { token } from "../support/token.js";
import { REQUESTS, number } from "./events.js";

/** The ledger of a client: the events by their names, and the gaps that it was told of. */
class Ledger {
  #events = new Map();
  #waiting = [];
  gaps = [];
  /** How often the client has come back, if that is known. */
  reconnects = "–";
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

  /** The gaps of a name that it was told of. */
  gapsOf(name) {
    return this.gaps.filter(({ event }) => event === name);
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
export async function listen(signalR, url, { title, transport = "WebSockets", protocol, options = {} }) {
  const ledger = new Ledger(title);
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(`${url}/signalr/v1/mainHub`, {
      accessTokenFactory: () => token(),
      transport: signalR.HttpTransportType[transport],
      EventSource: TolerantEventSource,
      ...options,
    })
    .configureLogging(signalR.LogLevel.None)
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 });
  if (protocol) builder.withHubProtocol(protocol);
  const connection = builder.build();
  const subscribe = resuming(connection, (event) => ledger.add(event), ({ e }, gap) => ledger.gaps.push({ event: e, ...gap }));
  ledger.reconnects = 0;
  connection.onreconnected(() => ledger.reconnects++);
  await connection.start();
  for (const request of REQUESTS) await subscribe(request);
  ledger.stop = () => connection.stop();
  return ledger;
}

/**
 * A client in a program of its own. It gets the URL of the hub, a token and the requests in its environment, and prints a line of JSON for
 * each event and for each gap, until its input ends.
 */
export async function spawned(url, { title, command: [program, ...args], folder }) {
  const ledger = new Ledger(title);
  const told = { LEDGER_HUB: `${url}/signalr/v1/mainHub`, LEDGER_TOKEN: token(), LEDGER_REQUESTS: JSON.stringify(REQUESTS) };
  const child = endWithTests(spawn(program, args, { cwd: folder, env: { ...process.env, ...told }, stdio: ["pipe", "pipe", "inherit"] }));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  ledger.stop = () => (child.stdin.end(), ended);
  child.stdin.on("error", () => {});
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (!line.startsWith("{")) return;
    const { gap, event } = JSON.parse(line);
    if (gap) ledger.gaps.push(gap);
    else ledger.add(event);
  });
  return ledger;
}
