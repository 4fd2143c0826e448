// Whether all is well: what is wrong, why it matters, and where to read on.

import { bytes, count, counted, duration, latency, rate, words } from "./format.js";

/** From which latency on (p99, in seconds) delivery counts as slow, as in the alert rules. */
const SLOW = 0.5;

/** Days before the end of a certificate from which on it is mentioned, as in the alert rules. */
const CERTIFICATE_DAYS = 14;

/** The part of the file descriptors that may be in use. */
const DESCRIPTORS = 0.8;

/** What refusals of the last minute are about, for those that operators see most; the manual has all. */
const REFUSALS = {
  connections: "the server has its maximum number of connections",
  connections_per_user: "a user has too many connections",
  connections_per_address: "an address has too many connections",
  sockets_per_address: "an address has too many sockets",
  file_descriptors: "the process may not open more files",
  failed_authentications: "an address has sent too many wrong tokens or keys",
  foreign_origin: "web pages of origins that are not in cors.origins",
  publish_rate: "a publisher is over publish.rate",
  invocation_rate: "a client calls too often",
  draining: "the server is stopping",
};

/**
 * Judges an overview. `refused` has what was refused in the last minute, by limit; `lag` is how long ago the overview was made, in
 * seconds. Returns the level (`ok`, `warn` or `bad`), one line, and the reasons: level, text, and the section of the manual.
 */
export function judge(overview, refused, now = Date.now()) {
  const reasons = [];
  const add = (level, text, section) => reasons.push({ level, text, section });

  if (overview.phase !== "serving") {
    add("bad", `The server is ${words(overview.phase)}: it accepts no new connections and closes the ones it has.`, "Start, check, stop");
  }
  if (overview.not_ready) add("bad", `The server is not ready: ${overview.not_ready}`, "Health");
  if (overview.cluster === "severed") {
    add("bad", "This node is severed from its cluster: it has lost a link to Redis, or another node has its name. Its clients stay connected, and may get no events.", "Metrics");
  }
  for (const [limit, times] of Object.entries(refused)) {
    const why = REFUSALS[limit] ? ` – ${REFUSALS[limit]}` : "";
    add("bad", `${count(times)} refused in the last minute by ${limit}${why}.`, "Metrics");
  }
  if (overview.slow > 0) {
    add("warn", `${counted(overview.slow, "client reads", "clients read")} too slowly: ${bytes(overview.queued_bytes)} wait in queues.`, "Metrics");
  }
  const { p99 } = overview.latency["60s"];
  if (p99 > SLOW) add("warn", `Delivery is slow: 1 of 100 events takes ${latency(p99)} or more.`, "Metrics");
  const { open, limit } = overview.fds;
  if (limit > 0 && open > limit * DESCRIPTORS) {
    add("warn", `${count(open)} of ${count(limit)} file descriptors are in use.`, "Metrics");
  }
  if (overview.certificate_expires) {
    const left = (Date.parse(overview.certificate_expires) - now) / 1000;
    if (left <= 0) add("bad", "The certificate has expired: clients cannot connect over TLS.", "Metrics");
    else if (left < CERTIFICATE_DAYS * 86400) add("warn", `The certificate expires in ${duration(left)}.`, "Metrics");
  }

  const level = reasons.some((reason) => reason.level === "bad") ? "bad" : reasons.length > 0 ? "warn" : "ok";
  reasons.sort((one, other) => (one.level === other.level ? 0 : one.level === "bad" ? -1 : 1));
  return { level, title: title(level, reasons), summary: summary(overview), reasons };
}

function title(level, reasons) {
  if (level === "ok") return "All is well";
  const things = reasons.length === 1 ? "1 thing" : `${reasons.length} things`;
  return level === "bad" ? `Something is wrong: ${things} to look at` : `Mostly well: ${things} to look at`;
}

function summary({ connections, rates, latency: { "60s": { p99 } } }) {
  const parts = [counted(connections.active, "connection"), `${rate(rates["10s"].deliveries)} deliveries/s`];
  if (typeof p99 === "number") parts.push(`99 of 100 delivered within ${latency(p99)}`);
  return parts.join(", ") + ".";
}
