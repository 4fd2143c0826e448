// HTTP requests to a server that may be killed at any moment.

import { Agent, request } from "node:http";

import { API_KEY } from "../support/server.js";

const agent = new Agent({ keepAlive: true });

/**
 * Sends a request, and returns the status and the JSON of the answer; null if the connection was refused or lost, or if there is no answer
 * in time (milliseconds).
 */
export function send(url, { method = "GET", headers = {}, body, patience } = {}) {
  return new Promise((resolve) => {
    const asked = request(url, { agent, method, headers: { "X-API-Key": API_KEY, ...headers } });
    asked.once("error", () => resolve(null));
    if (patience) {
      const timer = setTimeout(() => asked.destroy(), patience);
      asked.once("close", () => clearTimeout(timer));
    }
    asked.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => (text += piece));
      response.once("error", () => resolve(null));
      response.once("end", () => resolve({ status: response.statusCode, headers: response.headers, body: JSON.parse(text) }));
    });
    asked.end(body && JSON.stringify(body));
  });
}

/** Publishes an event once, with its key. */
export function publish(url, event, key, { wait = "accepted", patience } = {}) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  return send(`${url}/api/v1/publish?wait=${wait}`, { method: "POST", headers, body: event, patience });
}

/** All that is kept of an event name, in order. */
export async function history(url, name) {
  const all = [];
  let since = "earliest";
  for (;;) {
    const asked = new URLSearchParams({ event: name, since, limit: "1000" });
    const answer = await send(`${url}/api/v1/history?${asked}`);
    if (answer?.status !== 200) throw new Error(`the history of ${name} was answered with ${JSON.stringify(answer)}`);
    const { events, next, gap } = answer.body;
    if (gap) throw new Error(`the history of ${name} has a gap: ${JSON.stringify(gap)}`);
    if (events.length === 0) return all;
    all.push(...events);
    since = next;
  }
}
