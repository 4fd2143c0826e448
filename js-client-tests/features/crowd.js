// Two publishers and many clients: each receives exactly what it subscribed to, in order.

import { ACTIONS, CHANGED, LICENCE, changed, licence } from "./events.js";
import { equal } from "./expect.js";
import { settle } from "./listener.js";
import { numbers } from "./numbers.js";

const PUBLISHERS = ["north", "south"];
const RESOURCES = ["tickets", "devices", "users", "stocks", "orders"];

/** What a client has asked for, kept as the set of entries that the documents describe; it says what the client must receive. */
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

/** The publisher of an event, and its position in that publisher's sequence. */
function origin({ e, p }) {
  return e === CHANGED ? `${p.i.i} ${p.i.v}` : `${p.publisher} ${p.sequence}`;
}

/** Publishes one after another and returns what was published, with the receipts. */
async function publishAll(stage, publisher, [first, count], number) {
  const published = [];
  for (let sequence = first; sequence < first + count; sequence++) {
    const event = someEvent(publisher, sequence, number);
    published.push({ event, receipt: await stage.publish(event) });
  }
  return published;
}

function offset({ receipt }) {
  return Number(receipt.position.split(":")[1]);
}

/** Lets a number of clients change their subscriptions twice while two publishers publish; returns how many events were received. */
export async function crowd(stage, { clients: size, events }) {
  const number = numbers(20_241_122);
  const listeners = await Promise.all(Array.from({ length: size }, () => stage.listen()));
  const clients = listeners.map((listener) => ({ listener, oracle: new Oracle(), expected: [] }));
  for (let phase = 0; phase < 2; phase++) {
    // All clients change their subscriptions at the same time; each client's requests run one after another.
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
    const streams = PUBLISHERS.map((publisher) => publishAll(stage, publisher, [phase * events, events], number));
    const published = (await Promise.all(streams)).flat().sort((a, b) => offset(a) - offset(b));
    for (const { event, receipt } of published) {
      const hearing = clients.filter(({ oracle }) => oracle.hears(event));
      equal(receipt.matched, hearing.length, `matched of ${JSON.stringify(event)}:`);
      hearing.forEach(({ expected }) => expected.push(event));
    }
  }
  await settle(stage, listeners);
  for (const [index, { listener, expected }] of clients.entries()) {
    for (const event of [CHANGED, LICENCE]) {
      const only = (all) => all.filter(({ e }) => e === event).map(origin);
      equal(only(listener.heard), only(expected), `client ${index} and ${event}:`);
    }
  }
  return clients.reduce((heard, { listener }) => heard + listener.heard.length, 0);
}
