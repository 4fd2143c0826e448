// Lets something fail while publishers publish and clients listen, and counts what was lost.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { numbers } from "../features/numbers.js";
import { REQUESTS, wanted } from "../kills/events.js";
import { history, publish } from "../kills/http.js";
import { PUBLISHERS, Publisher } from "../kills/publisher.js";
import { answersNow } from "./expect.js";
import { judge, judgeSplit, misplaced } from "./verify.js";

/** How many milliseconds clients may take to start and to catch up at the end, and a publish to be accepted. */
const PATIENCE = 90_000;

/** How many milliseconds publishers publish at least, and how many more at most, before and after something fails. */
const [AROUND, MORE] = [500, 1_500];

/** How many milliseconds a publisher pauses after each event, so that machines of all kinds keep up. */
const PAUSE = 5;

/**
 * How many milliseconds a publisher waits for an answer. Nodes may still publish an event for longer, so it may reach Redis through two of
 * them at once.
 */
const PUBLISH_PATIENCE = 700;

/** Probes have these numbers and higher ones; publishers do not get there. */
const FIRST_PROBE = 1_000_000_000;

/** The folder for the logs of all nodes, if they are wanted. */
const LOGS = process.env.SIGNALHUB_FAULT_LOGS;

/**
 * Runs one fault `rounds` times, and returns what was counted. `clients` are functions that start a client at a URL and return its
 * ledger. The moments, and which node fails, follow from the seed.
 */
export async function run({ fault, clients, seed, nodes = 2, rounds = 1, previous, present }) {
  const random = numbers(seed);
  const stage = await fault.stage({ nodes, previous: fault.upgrades ? previous : undefined });
  const ledgers = [];
  try {
    for (const client of clients) ledgers.push(await client(stage.url));
    const probes = new Probes(stage);
    const starts = await probes.subscribed(ledgers);
    // A name that is new is published once even where the memory of Redis is full.
    const untried = await answersNow(stage.urls);
    const load = { durable: false, pause: PAUSE, patience: PUBLISH_PATIENCE, padding: fault.padding };
    const publishers = Array.from({ length: PUBLISHERS }, (_, number) => new Publisher(stage.urls, number, load));
    const problems = [...untried];
    for (let round = 0; round < rounds; round++) {
      await delay(AROUND + random(MORE));
      problems.push(...((await fault.fail(stage, { random, ledgers, previous, present })) ?? []));
      await stage.joined();
    }
    await delay(AROUND + random(MORE));
    await inTime(Promise.all(publishers.map((publisher) => publisher.stop())), "the last publishes were not accepted");
    const [last] = await probes.publish();
    for (const ledger of ledgers) {
      if (!(await ledger.reaches(last.number, PATIENCE))) problems.push(`${ledger.title} has not got the last events`);
    }
    const receipts = [...probes.receipts, ...publishers.flatMap((publisher) => publisher.receipts)];
    if (!fault.evicts && !fault.splits) problems.push(...misplaced(receipts, await histories(stage), fault.loses));
    return {
      published: receipts.length,
      repeated: receipts.filter(({ attempts }) => attempts > 1).length,
      clients: ledgers.map((ledger) => (fault.splits ? judgeSplit : judge)(ledger, receipts, starts)),
      problems,
    };
  } finally {
    await Promise.all(ledgers.map((ledger) => ledger.stop()));
    await stage.stop();
    if (LOGS) await keepLogs(fault, stage);
  }
}

async function keepLogs(fault, stage) {
  const servers = stage.nodes?.map(({ server }) => server) ?? [stage.server];
  await Promise.all(servers.map(({ output }, index) => writeFile(join(LOGS, `${fault.name}-${index + 1}.log`), output)));
}

async function inTime(promise, problem) {
  const late = delay(PATIENCE, null, { ref: false }).then(() => Promise.reject(new Error(problem)));
  late.catch(() => {});
  return Promise.race([promise, late]);
}

/** Events that all clients want, published before and after the others. */
class Probes {
  #stage;
  receipts = [];

  constructor(stage) {
    this.#stage = stage;
  }

  /**
   * Publishes until all clients get it, because the first call of some clients has no answer that could be awaited. Returns the position
   * of each name from which on all of them get everything.
   */
  async subscribed(ledgers) {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const receipts = await this.publish();
      const [{ number }] = receipts;
      const got = await Promise.all(ledgers.map((ledger) => ledger.reaches(number, 1_000)));
      if (got.every(Boolean)) return new Map(receipts.map(({ event, position }) => [event.e, position]));
      if (Date.now() > deadline) throw new Error(`${ledgers.filter((_, index) => !got[index]).map(({ title }) => title)} have not subscribed`);
    }
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
      const answer = await publish(this.#stage.urls[0], event, key, { patience: PUBLISH_PATIENCE });
      if (answer?.status === 202) return answer.body;
      if (Date.now() > deadline) throw new Error(`${key} was answered with ${JSON.stringify(answer)}`);
      await delay(20);
    }
  }
}

/** What all servers keep, by name: it must be the same, as soon as each has brought in the last events. */
async function histories(stage) {
  const kept = new Map();
  const deadline = Date.now() + PATIENCE;
  for (const { e } of REQUESTS) {
    for (;;) {
      const read = await Promise.allSettled(stage.urls.map((url) => history(url, e)));
      const texts = read.map(({ value, reason }) => (value ? JSON.stringify(value) : String(reason)));
      kept.set(e, read[0].value);
      if (read.every(({ value }) => value) && texts.every((text) => text === texts[0])) break;
      if (Date.now() > deadline) throw new Error(`not all nodes keep the same events of ${e}: ${texts.map((text) => text.slice(0, 200))}`);
      await delay(200);
    }
  }
  return kept;
}
