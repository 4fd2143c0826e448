// What a client has got from a cluster whose Redis has lost events.

import { isWanted, number } from "../kills/events.js";

const read = (position) => {
  const [epoch, offset] = position.split(":");
  return { epoch, offset: Number(offset) };
};

/**
 * The problems of a client: events doubled or out of order in any epoch; events of the last epoch that it has not got; and events of
 * an earlier one that it has not got and was not told of. `starts` are the offsets of the first epoch after which it gets every event.
 */
export function missedUntold(ledger, receipts, starts, histories) {
  const problems = [];
  for (const [name, kept] of histories) {
    const tell = (problem) => problems.push(`${ledger.title}, ${name}: ${problem}`);
    const got = ledger.of(name);
    const latest = new Map();
    for (const { position } of got) {
      const { epoch, offset } = read(position);
      if (offset <= (latest.get(epoch) ?? 0)) tell(`${position} after ${epoch}:${latest.get(epoch)}`);
      latest.set(epoch, Math.max(offset, latest.get(epoch) ?? 0));
    }
    const positions = new Set(got.map(({ position }) => position));
    const { epoch: last } = read(kept.at(-1).position);
    const missing = kept.filter((event) => isWanted(event) && !positions.has(event.position));
    for (const event of missing) tell(`${event.position} (number ${number(event)}) of the last epoch is missing`);
    const told = ledger.gapsOf(name);
    if (told.length === 0) tell(`the epoch is ${last} now, and no gap was told`);
    const before = receipts.filter(({ event, position }) => event.e === name && isWanted(event) && read(position).epoch !== last);
    const unseen = before.filter(({ position }) => read(position).offset > starts.get(name) && !positions.has(position));
    if (unseen.length > 0 && told.length === 0) tell(`${unseen.length} events before the fault are missing, and no gap was told`);
  }
  return problems;
}
