// The `EventSource` of the official client in Node.js, for tests in which streams end while clients start.

import { createRequire } from "node:module";

/** The one that the client takes by itself. */
const EventSource = createRequire(import.meta.resolve("@microsoft/signalr"))("eventsource");

/**
 * When a stream ends between its first bytes and the next step of its start, the client throws out of `onerror`, where no caller can
 * catch it. A page would log that; in Node.js it would end the process. The start itself fails in order, and the client tries again.
 *
 * The client also forgets a stream that fails before it has opened, without closing it: it would connect again and again, and keep the
 * process from ending.
 */
export class TolerantEventSource extends EventSource {
  #hasOpened = false;

  constructor(...options) {
    super(...options);
    this.addEventListener("open", () => (this.#hasOpened = true));
  }

  get onerror() {
    return super.onerror;
  }

  set onerror(listener) {
    super.onerror = (event) => {
      try {
        listener(event);
      } catch (error) {
        if (!error.message.includes("still in the connecting state")) throw error;
      }
      if (!this.#hasOpened) this.close();
    };
  }
}
