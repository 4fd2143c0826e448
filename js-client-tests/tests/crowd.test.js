// Two publishers and fifty clients: each hears exactly what it asked for, in order.

import assert from "node:assert/strict";
import { it } from "node:test";

import { ACTIONS, CHANGED, LICENCE, changed, licence } from "../support/events.js";
import { settle } from "../support/listener.js";
import { withEachClient } from "../support/suite.js";

const CLIENTS = 50;
const PUBLISHERS = ["north", "south"];
const EVENTS_EACH = 100;
const RESOURCES = ["tickets", "devices", "users", "stocks", "orders"];

/** Numbers that look random and are the same in every run (mulberry32), so that a failure can be had again. */
function numbers(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** What a client has asked for, kept as the set of entries that the documents describe; it says what the client must hear. */
class Oracle {
  #entries = new Map();

  add(request) {
    for (const entry of entries(request)) this.#entries.set(JSON.stringify(entry), entry);
  }

  remove(request) {
    for (const wider of entries(request)) {
      for (const [key, entry] of this.#entries) if (covers(wider, entry)) this.#entries.delete(key);
    }
  }

  hears({ e, p }) {
    const event = { e, n: e === CHANGED ? p.n : undefined, a: e === CHANGED ? ACTIONS[p.a] : undefined };
    return [...this.#entries.values()].some((entry) => covers(entry, event));
  }
}

function entries({ e, r }) {
  if (!r?.length) return [{ e }];
  return r.flatMap(({ n, a }) => (a?.length ? a.map((action) => ({ e, n, a: action })) : [{ e, n }]));
}

function covers(wider, { e, n, a }) {
  return wider.e === e && (wider.n === undefined || wider.n === n) && (wider.a === undefined || wider.a === a);
}

function someRequest(number) {
  const resource = () => {
    const n = RESOURCES[number(RESOURCES.length)];
    return number(2) ? { n } : { n, a: Object.values(ACTIONS).filter(() => number(2)) };
  };
  switch (number(8)) {
    case 0:
      return { e: LICENCE };
    case 1:
      return number(3) ? { e: CHANGED, r: [resource()] } : { e: CHANGED };
    default:
      return { e: CHANGED, r: Array.from({ length: 1 + number(3) }, resource) };
  }
}

function someEvent(publisher, sequence, number) {
  if (number(10) === 0) return licence({ publisher, sequence });
  return changed(RESOURCES[number(RESOURCES.length)], 1 + number(3), { id: publisher, version: sequence });
}

/** Who sent what in which place of its own sequence. */
function origin({ e, p }) {
  return e === CHANGED ? `${p.i.i} ${p.i.v}` : `${p.publisher} ${p.sequence}`;
}

/** Publishes one after another and returns what was published, with the receipts. */
async function publishAll(server, publisher, first, number) {
  const published = [];
  for (let sequence = first; sequence < first + EVENTS_EACH; sequence++) {
    const event = someEvent(publisher, sequence, number);
    published.push({ event, receipt: await server.publish(event) });
  }
  return published;
}

function offset({ receipt }) {
  const offset = Number(receipt.position.split(":")[1]);
  assert.ok(Number.isInteger(offset), receipt.position);
  return offset;
}

withEachClient("a crowd", (suite) => {
  it("hears exactly what each has asked for, in the order of the positions", async () => {
    const number = numbers(20_241_122);
    const crowd = await Promise.all(Array.from({ length: CLIENTS }, () => suite.connect()));
    const clients = crowd.map((listener) => ({ listener, oracle: new Oracle(), expected: [] }));
    for (let phase = 0; phase < 2; phase++) {
      // Everybody changes its mind at once, and each client's requests run one after another.
      await Promise.all(clients.map(async ({ listener, oracle }) => {
        for (let requests = 1 + number(4); requests > 0; requests--) {
          const request = someRequest(number);
          const dropped = number(3) ? [] : [someRequest(number)];
          oracle.add(request);
          dropped.forEach((request) => oracle.remove(request));
          await listener.subscribe(request);
          for (const request of dropped) await listener.unsubscribe(request);
        }
      }));
      const streams = PUBLISHERS.map((publisher) => publishAll(suite.server, publisher, phase * EVENTS_EACH, number));
      const published = (await Promise.all(streams)).flat().sort((a, b) => offset(a) - offset(b));
      for (const { event, receipt } of published) {
        const hearing = clients.filter(({ oracle }) => oracle.hears(event));
        assert.equal(receipt.matched, hearing.length, `matched of ${JSON.stringify(event)}`);
        hearing.forEach(({ expected }) => expected.push(event));
      }
    }
    await settle(suite.server, crowd);
    let deliveries = 0;
    for (const [index, { listener, expected }] of clients.entries()) {
      deliveries += listener.heard.length;
      for (const event of [CHANGED, LICENCE]) {
        const only = (all) => all.filter(({ e }) => e === event).map(origin);
        assert.deepEqual(only(listener.heard), only(expected), `client ${index} and ${event}`);
      }
    }
    assert.ok(deliveries > 1000, `only ${deliveries} deliveries were due, which proves little`);
  });
});
