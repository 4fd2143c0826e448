// Compares what clients have got with what publishers were answered.

import { REQUESTS, isWanted, number } from "../kills/events.js";

const read = (position) => {
  const [epoch, offset] = position.split(":");
  return { epoch, offset: Number(offset) };
};

/**
 * Counts what a client is owed and what became of it: each event that was accepted after `starts` (positions by name) is delivered once
 * and in order, or lies in a gap that the client was told of (`excused`), or is lost. `again` are events that were published
 * in one epoch without an answer, and again in the next one: behind a gap, clients may get them on both sides.
 */
export function judge(ledger, receipts, starts) {
  const sum = { title: ledger.title, owed: 0, delivered: 0, excused: 0, lost: 0, doubled: 0, unordered: 0, foreign: 0, again: 0 };
  const examples = [];
  for (const { e: name } of REQUESTS) {
    const note = (problem, what) => {
      sum[problem]++;
      if (examples.length < 10) examples.push(`${name}: ${what} is ${problem}`);
    };
    const start = read(starts.get(name));
    const isDue = (position) => read(position).epoch !== start.epoch || read(position).offset > start.offset;
    const owed = new Map(receipts.filter(({ event, position }) => event.e === name && isWanted(event) && isDue(position)).map((receipt) => [receipt.position, receipt.number]));
    const gaps = ledger.gapsOf(name);
    const got = delivered(ledger.of(name).filter(({ position }) => isDue(position)), owed, gaps, note);
    sum.owed += owed.size;
    for (const [position, number] of owed) {
      if (got.has(position)) sum.delivered++;
      else if (gaps.some((gap) => covers(gap, position))) sum.excused++;
      else note("lost", `${position} (number ${number})`);
    }
  }
  return { ...sum, gaps: ledger.gaps.length, reconnects: ledger.reconnects, examples };
}

/** The positions of one name that a client has got; notes what is wrong with their order. */
function delivered(events, owed, gaps, note) {
  const got = new Set();
  const published = new Set(owed.values());
  const left = new Set();
  let latest = null;
  for (const { position, number } of events) {
    const { epoch, offset } = read(position);
    const at = `${position} (number ${number})`;
    if (got.has(position)) note("doubled", at);
    else if (left.has(epoch) || (epoch === latest?.epoch && offset < latest.offset)) note("unordered", `${at} after ${latest.epoch}:${latest.offset}`);
    if (owed.get(position) !== number) note(gaps.length > 0 && published.has(number) && !owed.has(position) ? "again" : "foreign", at);
    if (latest && epoch !== latest.epoch) {
      left.add(latest.epoch);
      if (gaps.length === 0) note("foreign", `${at}, of another epoch without a gap,`);
    }
    got.add(position);
    latest = { epoch, offset };
  }
  return got;
}

/** Whether a gap says that the event at a position is missing. */
function covers({ from, first }, position) {
  const { epoch, offset } = read(position);
  const [after, before] = [from, first].map((at) => (at ? read(at) : null));
  const isAfter = epoch !== after?.epoch || offset > after.offset;
  const isBefore = epoch !== before?.epoch || offset < before.offset;
  // Between two epochs there may have been others, which a client never sees.
  return isAfter && isBefore && (after?.epoch !== before?.epoch || epoch === after?.epoch);
}

/**
 * The problems between the answers to publishers and what the servers keep, by name. An event of the present epoch is kept at its
 * position; one of an earlier epoch may be gone where events may be lost.
 */
export function misplaced(receipts, histories, mayLose = false) {
  const problems = [];
  for (const [name, events] of histories) {
    const [epoch] = events[0].position.split(":");
    events.forEach((event, index) => {
      if (event.position !== `${epoch}:${index + 1}`) problems.push(`${name}: ${event.position} is number ${index + 1} of what is kept`);
    });
    const kept = new Map(events.map((event) => [event.position, event]));
    for (const receipt of receipts.filter(({ event }) => event.e === name)) {
      const event = kept.get(receipt.position);
      const told = `${receipt.key} of ${name} at ${receipt.position}`;
      if (!event && mayLose && !receipt.position.startsWith(`${epoch}:`)) continue;
      if (!event) problems.push(`${told} was accepted, and is not kept`);
      else if (event.id !== receipt.id || number(event) !== receipt.number) problems.push(`${told} was accepted, and another event is kept there`);
      kept.delete(receipt.position);
    }
    // An event may be kept again that an earlier epoch had, where Redis has forgotten its idempotency key meanwhile.
    const before = new Set(receipts.filter(({ event, position }) => mayLose && event.e === name && !position.startsWith(`${epoch}:`)).map(({ number }) => number));
    for (const event of kept.values()) {
      if (!before.has(number(event))) problems.push(`${name}: ${event.position} is kept, and no publisher was told of it`);
    }
  }
  return problems;
}

/**
 * Counts what a client is owed where positions may have had two meanings: each event that it has not got is excused by any gap, because the
 * client fetches its state anew then, whatever it has missed before.
 */
export function judgeSplit(ledger, receipts, starts) {
  const sum = { ...judge(ledger, [], starts), doubled: 0, unordered: 0, foreign: 0, examples: [] };
  for (const { e: name } of REQUESTS) {
    const start = read(starts.get(name));
    const isDue = ({ event, position }) => event.e === name && isWanted(event) && (read(position).epoch !== start.epoch || read(position).offset > start.offset);
    const due = receipts.filter(isDue);
    const got = new Set(ledger.of(name).map(({ number }) => number));
    const missing = due.filter(({ number }) => !got.has(number));
    sum.owed += due.length;
    sum.delivered += due.length - missing.length;
    if (ledger.gapsOf(name).length > 0) sum.excused += missing.length;
    else sum.lost += missing.length;
  }
  return sum;
}

/** What was wrong in a run: problems, and what became of the events of each client. */
export function wrongs(fault, { problems, clients }) {
  const fatal = ["lost", "doubled", "unordered", "foreign", ...(fault.loses ? [] : ["excused", "again", "gaps"])];
  const wrong = clients.flatMap((client) => {
    const counted = fatal.filter((name) => client[name] > 0).map((name) => `${client[name]} ${name}`);
    return counted.length > 0 ? [`${client.title}: ${counted.join(", ")} (${client.examples.join("; ")})`] : [];
  });
  return [...problems, ...wrong];
}
