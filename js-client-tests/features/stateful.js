// Bursts in both directions over a network that breaks in the middle of them.

import { equal } from "./expect.js";
import { Cell, drained, hearing } from "./cell.js";

const CALLS = 12;

/**
 * Calls, is called and receives streams, round after round, and returns the result of each call. `arm` lets the network break in
 * the next round; `configure` may ask for stateful reconnect.
 */
async function bursts(cell, { rounds, arm, configure }) {
  const connection = await cell.connect({ path: "/stateful", configure });
  const heard = hearing(connection, "heard").calls;
  const id = connection.connectionId;
  const settled = [];
  for (let round = 0; round < rounds; round++) {
    await arm(round);
    const numbers = Array.from({ length: CALLS }, (_, index) => round * CALLS + index);
    const calls = numbers.flatMap((number) => [
      connection.invoke("EchoInt", number),
      connection.invoke("SendSelf", "heard", String(number)),
    ]);
    const stream = drained(connection.stream("Count", CALLS, 0));
    settled.push(...(await Promise.allSettled(calls)), { status: "stream", value: await stream });
  }
  const same = connection.connectionId === id && (await connection.invoke("ConnectionId").catch(() => null)) === id;
  return { settled, heard, same };
}

/** With stateful reconnect, no call is affected. */
export async function unbroken(signalR, { rounds, arm, ...place }) {
  const cell = new Cell(signalR, place);
  try {
    const configure = (builder) => builder.withStatefulReconnect();
    const { settled, heard, same } = await bursts(cell, { rounds, arm, configure });
    const numbers = Array.from({ length: rounds * CALLS }, (_, number) => number);
    equal(settled.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message), [], "calls that failed:");
    const answers = settled.filter(({ value }) => typeof value === "number").map(({ value }) => value);
    equal(answers, numbers, "answers:");
    const streams = settled.filter(({ status }) => status === "stream").map(({ value }) => value);
    const whole = { items: numbers.slice(0, CALLS), error: null };
    equal(streams, Array(rounds).fill(whole), "streams:");
    equal(heard, numbers.map(String), "what the server called with:");
    equal(same, true, "the same connection:");
  } finally {
    await cell.end();
  }
}

/** Without it, calls fail when the network breaks; returns how many. */
export async function broken(signalR, { arm, ...place }) {
  const cell = new Cell(signalR, place);
  try {
    const { settled, same } = await bursts(cell, { rounds: 1, arm });
    equal(same, false, "the same connection:");
    return settled.filter(({ status }) => status === "rejected").length;
  } finally {
    await cell.end();
  }
}
