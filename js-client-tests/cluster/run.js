// Lets a cluster fail while publishers publish and clients listen, and counts what was lost.

import { setTimeout as delay } from "node:timers/promises";

import { REQUESTS, settings, wanted } from "../kills/events.js";
import { history, publish } from "../kills/http.js";
import { PUBLISHERS, Publisher } from "../kills/publisher.js";
import { compare, unkept } from "../kills/verify.js";
import { Cluster } from "../support/cluster.js";
import { missedUntold } from "./verify.js";

/** How many milliseconds clients may take to catch up at the end, and a publish to be accepted. */
const PATIENCE = 60_000;

/** How long publishers publish before and after the fault. */
const AROUND = 500;

/** Probes have these numbers and higher ones; publishers do not get there. */
const FIRST_PROBE = 1_000_000_000;

/** Runs one fault, and returns what was counted. `clients` are functions that start a client at a URL and return its ledger. */
export async function run({ nodes, fault, clients }) {
  const { SIGNALHUB_HISTORY__STORE: _store, SIGNALHUB_HISTORY__DIRECTORY: _directory, ...kept } = settings("");
  const cluster = await Cluster.start({ nodes, redis: fault.redis, settings: kept });
  const ledgers = [];
  try {
    for (const client of clients) ledgers.push(await client(cluster.url));
    const probes = new Probes(cluster);
    const starts = new Map((await probes.publish()).map(({ event, position }) => [event.e, Number(position.split(":")[1])]));
    const publishers = Array.from({ length: PUBLISHERS }, (_, number) => new Publisher(cluster.urls, number, { durable: false }));
    await delay(AROUND);
    await fault.fail(cluster);
    await cluster.joined();
    await delay(AROUND);
    await Promise.all(publishers.map((publisher) => publisher.stop()));
    const [last] = await probes.publish();
    const late = [];
    for (const ledger of ledgers) if (!(await ledger.reaches(last.number, PATIENCE))) late.push(ledger.title);
    const receipts = [...probes.receipts, ...publishers.flatMap((publisher) => publisher.receipts)];
    return { published: receipts.length, late, ...results(fault, ledgers, receipts, starts, await histories(cluster)) };
  } finally {
    await Promise.all(ledgers.map((ledger) => ledger.stop()));
    await cluster.stop();
  }
}

/** Events that all clients want, published between the others. */
class Probes {
  #cluster;
  receipts = [];

  constructor(cluster) {
    this.#cluster = cluster;
  }

  /** Publishes one of each name, and returns what was answered. */
  async publish() {
    const number = FIRST_PROBE + this.receipts.length;
    const receipts = [];
    for (const event of wanted(number)) {
      const key = `probe-${number}-${event.e}`;
      receipts.push({ number, event, key, ...(await this.#accepted(event, key)) });
    }
    this.receipts.push(...receipts);
    return receipts;
  }

  async #accepted(event, key) {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const answer = await publish(this.#cluster.urls[0], event, key);
      if (answer?.status === 202) return answer.body;
      if (Date.now() > deadline) throw new Error(`${key} was answered with ${JSON.stringify(answer)}`);
      await delay(20);
    }
  }
}

/** What each node keeps must be the same. */
async function histories(cluster) {
  const kept = new Map();
  for (const { e } of REQUESTS) {
    const [first, ...others] = await Promise.all(cluster.urls.map((url) => history(url, e)));
    for (const other of others) {
      if (JSON.stringify(other) !== JSON.stringify(first)) throw new Error(`two nodes keep different events of ${e}`);
    }
    kept.set(e, first);
  }
  return kept;
}

function results(fault, ledgers, receipts, starts, histories) {
  if (!fault.loses) {
    const clients = ledgers.map((ledger) => compare(ledger, histories, starts));
    return { problems: unkept(receipts, histories), clients };
  }
  // What was published before the fault is gone from Redis, so the clients are compared with the answers to publishers.
  const problems = ledgers.flatMap((ledger) => missedUntold(ledger, receipts, starts, histories));
  return { problems, clients: ledgers.map(({ title, gaps }) => ({ title, gaps: gaps.length })) };
}
