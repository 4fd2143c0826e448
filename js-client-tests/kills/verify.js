// Compares what publishers were answered and what clients got with what the server keeps.

import { isWanted, number } from "./events.js";

/** What an event is recognised by. */
const identity = (event, number) => `${event.e} ${number}`;

const offset = (position) => Number(position.split(":")[1]);

/** The problems between the answers to publishers and the histories, by name. */
export function unkept(receipts, histories) {
  const problems = [];
  const kept = new Map();
  for (const events of histories.values()) {
    events.forEach((event, index) => {
      const at = `${event.e} ${event.position}`;
      const [epoch] = events[0].position.split(":");
      if (event.position !== `${epoch}:${offset(events[0].position) + index}`) problems.push(`${at} comes after a hole`);
      const before = kept.get(identity(event, number(event)));
      if (before) problems.push(`${at} was stored before, at ${before.position}`);
      kept.set(identity(event, number(event)), event);
    });
    if (offset(events[0].position) !== 1) problems.push(`${events[0].e} begins at ${events[0].position}`);
  }
  for (const receipt of receipts) {
    const event = kept.get(identity(receipt.event, receipt.number));
    const told = `${receipt.key} of ${receipt.event.e} at ${receipt.position}`;
    if (!event) problems.push(`${told} is lost`);
    else if (event.position !== receipt.position || event.id !== receipt.id) problems.push(`${told} is stored at ${event.position}`);
    kept.delete(identity(receipt.event, receipt.number));
  }
  for (const event of kept.values()) problems.push(`${event.e} ${event.position} was not answered`);
  return problems;
}

/** Counts what a client is owed, from these offsets on, and what of it was lost, doubled or out of order. */
export function compare(ledger, histories, starts) {
  const sum = { title: ledger.title, owed: 0, delivered: 0, lost: 0, doubled: 0, unordered: 0, foreign: 0, gaps: ledger.gaps.length };
  for (const [name, events] of histories) {
    const owed = new Map(events.filter(isWanted).map((event) => [event.position, number(event)]));
    const got = new Set();
    let last = 0;
    for (const { position, number } of ledger.of(name).filter(({ position }) => offset(position) > starts.get(name))) {
      if (owed.get(position) !== number) sum.foreign++;
      else if (got.has(position)) sum.doubled++;
      else if (offset(position) < last) sum.unordered++;
      got.add(position);
      last = Math.max(last, offset(position));
    }
    const due = [...owed.keys()].filter((position) => offset(position) > starts.get(name));
    sum.owed += due.length;
    sum.delivered += due.filter((position) => got.has(position)).length;
  }
  sum.lost = sum.owed - sum.delivered;
  return sum;
}
