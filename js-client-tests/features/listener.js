// A client that records the events that it receives.

import { CHANGED, LICENCE, changed, licence } from "./events.js";
import { unique } from "./expect.js";

/** The resource whose changes only say that everything before them has arrived. */
export const MARKER = "marker";

/** A connection of an official client to the hub of Portos. */
export class Listener {
  /** The events that it received, in order, without markers. */
  heard = [];
  #markers = new Set();
  #waiting = new Map();

  constructor(connection) {
    this.connection = connection;
    connection.on("OnEvent", (notification) => this.#hear(notification));
  }

  subscribe(request) {
    return this.connection.invoke("Subscribe", request);
  }

  unsubscribe(request) {
    return this.connection.invoke("Unsubscribe", request);
  }

  /** Completes when this marker has arrived. */
  marker(event, id) {
    const key = `${event} ${id}`;
    if (this.#markers.has(key)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(key, resolve));
  }

  #hear(notification) {
    const { e, p } = notification;
    const id = e === LICENCE ? p.marker : p.n === MARKER ? p.i.i : undefined;
    if (id === undefined) {
      this.heard.push(notification);
      return;
    }
    const key = `${e} ${id}`;
    this.#markers.add(key);
    this.#waiting.get(key)?.();
  }
}

/**
 * Completes when everything that was published before has reached these clients. Events of one name arrive in order, so a
 * last one of each name is published to all clients and awaited; what has not arrived by then is never delivered.
 */
export async function settle(publisher, listeners, events = [CHANGED, LICENCE]) {
  const id = unique("settled");
  const wanted = { [CHANGED]: { e: CHANGED, r: [{ n: MARKER }] }, [LICENCE]: { e: LICENCE } };
  const marker = { [CHANGED]: changed(MARKER, 1, { id }), [LICENCE]: licence({ marker: id }) };
  for (const event of events) {
    await Promise.all(listeners.map((listener) => listener.subscribe(wanted[event])));
    const arrived = listeners.map((listener) => listener.marker(event, id));
    await publisher.publish(marker[event]);
    await Promise.all(arrived);
  }
}
