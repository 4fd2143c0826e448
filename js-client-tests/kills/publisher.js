// A publisher that repeats what was not answered, or could not be published now, with the same key, until it was published.

import { setTimeout as delay } from "node:timers/promises";

import { numbered } from "./events.js";
import { publish } from "./http.js";

/** How many publish at once. */
export const PUBLISHERS = 8;

/** While a server is down, a publisher tries again after this time, at the next server if there are several. */
const BETWEEN_ATTEMPTS = 10;

/** One publisher among several: the next number is its own plus how many they are. */
export class Publisher {
  #urls;
  #waits;
  #pause;
  #padding;
  #patience;
  #number;
  #run;
  #stopped = false;

  /** What was answered: number, key, name, position, id, and how often it was sent. */
  receipts = [];

  /**
   * Starts to publish to these servers, beginning with this number. Some publishes wait until their event is durable, unless told
   * otherwise. It pauses for some milliseconds after each event, waits so many for an answer, and makes payloads that are ours longer by so many
   * characters.
   */
  constructor(urls, number, { durable = true, pause = 0, padding = 0, patience } = {}) {
    this.#urls = urls;
    this.#waits = durable ? ["durable", ...Array(7).fill("accepted")] : ["accepted"];
    this.#number = number;
    this.#pause = pause;
    this.#patience = patience;
    this.#padding = "x".repeat(padding);
    this.#run = this.#publishAll();
    // `stop` reports its failure.
    this.#run.catch(() => {});
  }

  /** Completes when the last event was answered. */
  async stop() {
    this.#stopped = true;
    await this.#run;
  }

  async #publishAll() {
    for (; !this.#stopped; this.#number += PUBLISHERS) {
      const number = this.#number;
      const [event, key] = [padded(numbered(number), this.#padding), `event-${number}`];
      const wait = this.#waits[(number >> 3) % this.#waits.length];
      const { answer, attempts } = await this.#publishUntilAnswered(event, key, wait);
      const { status, body } = answer;
      if (status !== 202) throw new Error(`publishing ${key} was answered: ${JSON.stringify(answer)}`);
      if (wait === "durable" && body.durable !== true) throw new Error(`${key} is not durable: ${JSON.stringify(body)}`);
      this.receipts.push({ number, event, key, wait, position: body.position, id: body.id, attempts, duplicate: body.duplicate === true });
      if (this.#pause > 0) await delay(this.#pause);
    }
  }

  async #publishUntilAnswered(event, key, wait) {
    for (let attempts = 1; ; attempts++) {
      const url = this.#urls[(this.#number + attempts) % this.#urls.length];
      const answer = await publish(url, event, key, { wait, patience: this.#patience });
      if (answer && answer.status !== 503) return { answer, attempts };
      await delay(BETWEEN_ATTEMPTS);
    }
  }
}

/** The event with a longer payload, if that is ours. */
function padded(event, padding) {
  return padding && "number" in event.p ? { ...event, p: { ...event.p, padding } } : event;
}
