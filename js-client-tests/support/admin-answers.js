// Answers of the admin API as a large server would give them, for what the tests cannot make a small one do.

/** Names that would do harm if they were more than text. */
export const HOSTILE = ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "ivan\u0007\u202egnp.exe", "a\u0000b\nc", '"><b>bold</b>', "&lt;i&gt;"];

/** The same as the console shows them. */
export const SHOWN = [HOSTILE[0], HOSTILE[1], "ivan\\u{7}\\u{202e}gnp.exe", "a\\u{0}b\\u{a}c", HOSTILE[4], HOSTILE[5]];

const USERS = ["ann", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
const TRANSPORTS = ["web_sockets", "web_sockets", "web_sockets", "web_sockets", "server_sent_events", "long_polling"];

/** An overview; `changes` replace members of it. */
export function overview(changes = {}) {
  const rates = { published: 41.5, deliveries: 8200, connects: 1.7 };
  const latency = { p50: 0.00042, p90: 0.0021, p99: 0.0041, max: 0.031 };
  return {
    node: "hub-1", version: "0.1.0", uptime_seconds: 276_480, phase: "serving",
    connections: {
      active: 10_000, suspended: 12, waiting: 3,
      by_transport: { web_sockets: 8800, server_sent_events: 900, long_polling: 300 }, by_protocol: { json: 7600, messagepack: 2400 },
    },
    subscriptions: 24_310, published_total: 4_812_345, matched_total: 99_812_345,
    rates: { "10s": rates, "60s": rates }, latency: { "10s": latency, "60s": latency },
    queued_bytes: 0, slow: 0, refusals: {}, memory: 220_200_960, fds: { open: 10_040, limit: 65_536 },
    not_ready: null, certificate_expires: null,
    ...changes,
  };
}

/** The cluster of that server; `changes` replace members of it. */
export function cluster(changes = {}) {
  const since = "2026-11-28T09:00:00Z";
  const lag = { p50: 0.0004, p90: 0.001, p99: 0.0031, max: 0.005 };
  const node = (name, numbers) => ({ name, boot: "3f1c", address: `10.0.0.${name.at(-1)}:3002`, started: since, hub: "Signalhub.MainHub", formats: [1], ...numbers });
  const numbers = { version: "0.1.0", state: "member", connections: 5_000, suspended: 4, subscriptions: 12_000, queued_bytes: 2048 };
  return {
    state: "member", node: "hub-1", nodes: [node("hub-1", numbers), node("hub-2", { ...numbers, connections: 4_321 }), node("hub-3")], missing: ["hub-3"],
    links: [{ redis: "redis://10.0.0.5:6379", commands: "connected", reader: "connected", channels: "connected", since: { commands: since, reader: since, channels: since } }],
    lag: { "10s": lag, "60s": lag }, events: { names: 12, read: 4_812, forks: 1, gaps: 2, publish_retries: 0 },
    forwards: { poll: 7, send: 12_345, events: 1, socket: 0 }, forward_failures: { "hub-3": 3 }, refused_forwards: { forged: 2, expired: 0 },
    claims: 9, unclaimed: 0, lost_claims: 0,
    ...changes,
  };
}

/** As many connections, of these users, at a moment. */
export function connections(count = 10_000, users = USERS, now = Date.now()) {
  const since = (index) => new Date(now - 4000 - index * 7000).toISOString();
  return Array.from({ length: count }, (_, index) => ({
    id: `c7Qk${index}`, user: users[index % users.length], organisation: ["acme", "globex", null][index % 3],
    transport: TRANSPORTS[index % TRANSPORTS.length], protocol: index % 4 ? "json" : "messagepack", address: `10.0.${index >> 8}.${index & 255}`,
    since: since(index), idle_seconds: index % 50, subscriptions: 1 + (index % 7), sent: 120_000 + index * 991, received: 900 + index * 73,
    deliveries: 400 + index * 3, queued_bytes: 0, queued_oldest_seconds: 0, expires: new Date(now + 3_590_000).toISOString(), stateful: index % 3 === 0,
  }));
}

/** Answers as a server with these connections does; `own` may answer first. */
export function answersOf(all, own = () => undefined) {
  return (method, path, query, body) => {
    const answer = own(method, path, query, body);
    if (answer) return answer;
    if (path === "overview") return [200, overview()];
    if (path === "cluster") return [200, cluster()];
    if (path === "connections") {
      const start = Number(query.get("after") ?? 0);
      const end = start + Number(query.get("limit"));
      return [200, { value: all.slice(start, end), ...(end < all.length && { next: String(end) }) }];
    }
    const one = all.find(({ id }) => path === `connections/${id}`);
    if (one && method === "DELETE") return [202];
    if (one) {
      const { user } = one;
      return [200, {
        ...one, groups: ["staff", user],
        subscriptions: [{ e: "portos.resources.changed", n: "tickets", a: ["created", "updated"] }, { e: "portos.licence.activated" }],
        grants: [{ e: "portos.*" }, { e: "orders.paid", r: "eu-*", a: ["created"] }],
      }];
    }
    if (path === "subscriptions") return [200, { value: subscriptions(query.get("by")) }];
    if (path === "config") return [200, { value: [{ key: "events.without_resources", value: ["orders.paid"], source: "signalhub.toml" }] }];
    if (path === "events/recent") return [200, recent(query.get("event"), query.get("position"))];
    if (path === "miskeys") return [404, { code: "not_found", title: "There is nothing here" }];
    if (path === "events/tail") return [200, tail()];
    if (path === "publish") return [202, { id: "fb0cf3b05cda5e7c-1", position: "fb0cf3b05cda5e7c:1", matched: 12, duplicate: false }];
    if (path === "explain") return [200, explained()];
    return [404, { code: "not_found", title: "There is nothing here" }];
  };
}

function subscriptions(by) {
  const events = ["portos.resources.changed", "portos.licence.activated", "orders.paid", "orders.refunded", "stock.low"];
  const resources = ["tickets", "devices", "customers", null, null];
  return events.map((event, index) => ({ event, ...(by === "resource" && { resource: resources[index] }), subscriptions: 9100 - index * 1720, matched_60s: 480_300 - index * 96_000 }));
}

/** A stream of events, and then its end. */
export function tail(events = ["portos.resources.changed", "orders.paid", "portos.resources.changed", "portos.licence.activated"]) {
  const blocks = Array.from({ length: 24 }, (_, index) => {
    const event = {
      position: `fb0cf3b05cda5e7c:${index + 1}`, event: events[index % events.length], org: index % 3 ? "acme" : null, matched: 800 + index * 7, bytes: 331,
      sender: { c: "backoffice" }, trace_id: "4bf92f3577b34da6a3ce929d0e0e4736", payload: { n: "tickets", a: 2, i: { i: "573f4511088c772684a738f8", n: "tickets", v: index } },
    };
    return `data: ${JSON.stringify(event)}\n\n`;
  });
  return blocks.join("") + 'event: dropped\ndata: {"dropped":17}\n\n';
}

function recent(event, position) {
  const clients = USERS.slice(0, 4).map((user, index) => ({ connection: `c7Qk${index}`, user }));
  return { event, position, connections: clients, ended: 2, not_remembered: 0 };
}

function explained() {
  return {
    delivered: false,
    steps: [
      { step: "catalogue", outcome: "pass", detail: "declared, with resources" },
      { step: "organisation", outcome: "pass", detail: "event of acme, connection of acme" },
      { step: "grants", outcome: "fail", detail: "needs portos.resources.changed on tickets; has portos.resources.changed on plus (grants[0])" },
      { step: "subscriptions", outcome: "skip" },
    ],
  };
}
