// What publishers are answered while something fails.

import { setTimeout as delay } from "node:timers/promises";

import { wanted } from "../kills/events.js";
import { publish } from "../kills/http.js";

/** Attempts have these numbers, which neither publishers nor probes use. */
let next = 2_000_000_000;

/** Publishes once to each server, and tells which one does not refuse that with this status and one of these codes. */
export async function refusesNow(urls, status, codes) {
  return tried(urls, ({ status: found, headers, body }) => found === status && codes.includes(body.code) && "retry-after" in headers);
}

/** Publishes once to each server, and tells which one does not accept that. */
export async function answersNow(urls) {
  return tried(urls, ({ status }) => status === 202);
}

/** Publishes to each server until it accepts that, and tells which one does not in time. */
export async function answersWithin(urls, milliseconds) {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const problems = await answersNow(urls);
    if (problems.length === 0 || Date.now() > deadline) return problems;
    await delay(100);
  }
}

/** The event has a name of its own, which no client has subscribed to. */
async function tried(urls, isRight) {
  const problems = [];
  for (const url of urls) {
    const event = { ...wanted(0)[3], e: "faults.tried" };
    const answer = await publish(url, event, `tried-${next++}`);
    if (!answer || !isRight(answer)) problems.push(`a publish to ${url} was answered with ${answer?.status} ${JSON.stringify(answer?.body)}`);
  }
  return problems;
}
