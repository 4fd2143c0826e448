// Kills the binary again and again while publishers publish and clients listen, and counts what was lost.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { numbers } from "../features/numbers.js";
import { Server } from "../support/server.js";
import { REQUESTS, settings, wanted } from "./events.js";
import { history, publish } from "./http.js";
import { PUBLISHERS, Publisher } from "./publisher.js";
import { compare, unkept } from "./verify.js";

/** How many milliseconds a client may take to start, and to catch up at the end. */
const PATIENCE = 90_000;

/** For how many publishes it is checked that their keys are still known. */
const REPEATS = 2_000;

/** Probes have these numbers and higher ones; publishers do not get there. */
const FIRST_PROBE = 1_000_000_000;

/**
 * Runs once, and returns what was counted. `clients` are functions that start a client at a URL and return its ledger. A kill comes
 * `pause(random)` milliseconds after the server has begun to listen.
 */
export async function run({ kills, seed, clients, pause, say = () => {} }) {
  const directory = await mkdtemp(join(tmpdir(), "signalhub-kills-"));
  const run = new Run(directory);
  try {
    await run.start(clients);
    const publishers = Array.from({ length: PUBLISHERS }, (_, number) => new Publisher([run.url], number));
    const random = numbers(seed);
    for (let kill = 1; kill <= kills; kill++) {
      await delay(pause(random));
      await run.restart();
      say(`kill ${kill} of ${kills}: ${publishers.reduce((sum, { receipts }) => sum + receipts.length, 0)} publishes were answered`);
    }
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    // Once more when nothing is under way.
    await run.restart();
    const receipts = publishers.flatMap(({ receipts }) => receipts);
    return { seed, kills: kills + 1, ...(await run.results(receipts)) };
  } finally {
    await run.end();
    await rm(directory, { recursive: true });
  }
}

/** A server whose history is in a directory, and the ledgers of its clients. */
class Run {
  #settings;
  #server;
  #ledgers = [];
  #probes = [];
  /** The offset of each name after which all clients get every event. */
  #starts = new Map();

  constructor(directory) {
    this.#settings = settings(directory);
  }

  get url() {
    return this.#server.url;
  }

  async start(clients) {
    this.#server = await Server.start(undefined, this.#settings);
    for (const client of clients) {
      const ledger = await client(this.url);
      this.#ledgers.push(ledger);
      await this.#subscribed(ledger);
    }
    await this.#probe();
    for (const { event, position } of this.#probes) this.#starts.set(event.e, Number(position.split(":")[1]));
  }

  async restart() {
    await this.#server.kill();
    this.#server = await Server.start(new URL(this.url).host, this.#settings);
  }

  async end() {
    await this.#server?.kill();
    await Promise.all(this.#ledgers.map((ledger) => ledger.stop()));
  }

  /** Publishes until as many clients as there are get it: the first call of some clients has no answer that could be awaited. */
  async #subscribed({ title }) {
    const deadline = Date.now() + PATIENCE;
    while (!(await this.#probe()).every(({ matched }) => matched === this.#ledgers.length)) {
      if (Date.now() > deadline) throw new Error(`${title} has not subscribed`);
      await delay(50);
    }
  }

  /** Publishes an event of each name that all clients want, and returns what was answered. */
  async #probe() {
    const number = FIRST_PROBE + this.#probes.length;
    const receipts = [];
    for (const event of wanted(number)) {
      const key = `probe-${number}-${event.e}`;
      const answer = await publish(this.url, event, key);
      if (answer?.status !== 202) throw new Error(`${key} was answered with ${JSON.stringify(answer)}`);
      receipts.push({ number, event, key, ...answer.body });
    }
    this.#probes.push(...receipts);
    return receipts;
  }

  async results(receipts) {
    const [last] = await this.#probe();
    const late = [];
    for (const ledger of this.#ledgers) if (!(await ledger.reaches(last.number, PATIENCE))) late.push(ledger.title);
    const histories = await this.#histories();
    const all = [...this.#probes, ...receipts];
    return {
      published: receipts.length,
      sent: receipts.reduce((sum, { attempts }) => sum + attempts, 0),
      repeated: receipts.filter(({ attempts }) => attempts > 1).length,
      recognised: receipts.filter(({ duplicate }) => duplicate).length,
      durable: receipts.filter(({ wait }) => wait === "durable").length,
      clients: this.#ledgers.map((ledger) => compare(ledger, histories, this.#starts)),
      late,
      problems: [...unkept(all, histories), ...(await this.#unknownKeys(all, histories))],
    };
  }

  async #histories() {
    const histories = new Map();
    for (const { e } of REQUESTS) histories.set(e, await history(this.url, e));
    return histories;
  }

  /** Publishes again with the same keys: each must be recognised, and nothing be stored. */
  async #unknownKeys(receipts, histories) {
    const problems = [];
    const every = Math.ceil(receipts.length / REPEATS);
    for (const { event, key, position, id } of receipts.filter((_, index) => index % every === 0)) {
      const { body } = await publish(this.url, event, key);
      const { duplicate } = body;
      const same = duplicate === true && body.position === position && body.id === id;
      if (!same) problems.push(`${key} was at ${position}, and its repeat was answered with ${JSON.stringify(body)}`);
    }
    for (const [name, events] of await this.#histories()) {
      if (events.length !== histories.get(name).length) problems.push(`${name} has other events after the repeats`);
    }
    return problems;
  }
}
