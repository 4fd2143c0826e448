// The tab Now: a verdict, numbers and charts, from one overview per second.

import { Charts } from "./charts.js";
import { $, el, fill, say } from "./dom.js";
import { bytes, count, counted, duration, latency, rate, words } from "./format.js";
import { judge } from "./verdict.js";

/** How far back refusals count for the verdict, in seconds. */
const RECENT = 60;

/** The numbers on top: title, value, what is written below, and whether it is noticeable. */
const TILES = [
  ["Connections", (o) => count(o.connections.active), (o) => [`${rate(o.rates["10s"].connects)} new/s`, o.connections.suspended > 0 && `${count(o.connections.suspended)} suspended`, o.connections.waiting > 0 && `${count(o.connections.waiting)} waiting`]],
  ["Deliveries/s", (o) => rate(o.rates["10s"].deliveries), (o) => [`${rate(o.rates["60s"].deliveries)} over 60 s`]],
  ["Publishes/s", (o) => rate(o.rates["10s"].published), (o) => [`${count(o.published_total)} in all`]],
  ["Latency, p99", (o) => latency(o.latency["60s"].p99), (o) => [`p50 ${latency(o.latency["60s"].p50)}`, "over 60 s"], (o) => o.latency["60s"].p99 > 0.5 && "warn"],
  ["Queued", (o) => bytes(o.queued_bytes), (o) => [`${counted(o.subscriptions, "subscription")}`]],
  ["Slow clients", (o) => count(o.slow), () => ["over a quarter of their queue"], (o) => o.slow > 0 && "warn"],
];

export class Now {
  #panel = $("now");
  #tiles;
  #charts;
  #history = [];
  #answered;

  constructor() {
    this.#tiles = TILES.map(([title]) => {
      const [value, more] = [el("dd", {}, "–"), el("dd", { className: "more" })];
      const tile = el("div", {}, el("dt", {}, title), value, more);
      $("tiles").append(tile);
      return { tile, value, more };
    });
    this.#charts = new Charts($("charts"), [
      { title: "Connections", write: count, lines: [{ label: "", from: (o) => o.connections.active }] },
      { title: "Deliveries/s", write: rate, lines: [{ label: "", from: (o) => o.rates["10s"].deliveries }] },
      { title: "Publishes/s", write: rate, lines: [{ label: "", from: (o) => o.rates["10s"].published }] },
      { title: "Latency", write: latency, lines: [{ label: "p99", from: (o) => o.latency["10s"].p99 }, { label: "p50", from: (o) => o.latency["10s"].p50 }] },
      { title: "Queued", write: bytes, binary: true, lines: [{ label: "", from: (o) => o.queued_bytes }] },
      { title: "New connections/s", write: rate, lines: [{ label: "", from: (o) => o.rates["10s"].connects }] },
    ]);
  }

  /** Draws the charts when the tab is opened. */
  open() {
    this.#charts.draw();
  }

  /** Shows an overview. */
  show(answer) {
    const overview = complete(answer);
    this.#answered = Date.now();
    this.#panel.classList.remove("stale");
    this.#show(judge(overview, this.#refusedLately(overview)));
    TILES.forEach(([, value, more, level], index) => {
      const shown = this.#tiles[index];
      say(shown.value, value(overview));
      say(shown.more, more(overview).filter(Boolean).join(" · "));
      shown.tile.className = (level && level(overview)) || "";
    });
    this.#charts.add(this.#answered / 1000, overview);
    showShares($("by-transport"), overview.connections.by_transport);
    showShares($("by-protocol"), overview.connections.by_protocol);
    showProcess($("process"), overview);
    showRefusals($("refusals"), overview.refusals);
  }

  /** Shows that there was no answer. */
  fail(error) {
    this.#panel.classList.add("stale");
    const since = this.#answered && `The last answer came ${duration((Date.now() - this.#answered) / 1000)} ago; the numbers below are from then. `;
    const reasons = [{ level: "bad", text: `${since ?? ""}${error.detail ?? ""} This page keeps asking.` }];
    this.#show({ level: "bad", title: error.title, summary: "", reasons });
    this.#charts.add(Date.now() / 1000);
  }

  #show({ level, title, summary, reasons }) {
    $("verdict").dataset.level = level;
    $("dot").dataset.level = level;
    document.title = level === "ok" ? "signalhub console" : `${level === "bad" ? "✕" : "!"} signalhub console`;
    say($("verdict-title"), title);
    say($("verdict-summary"), summary);
    const shown = JSON.stringify(reasons);
    const list = $("verdict-reasons");
    list.hidden = reasons.length === 0;
    // A link that has the focus stays where it is.
    if (list.dataset.shown === shown) return;
    list.dataset.shown = shown;
    fill(list, ...reasons.map(({ level, text, section }) => el("li", { className: level }, text, section && manual(section))));
  }

  /** What was refused in the last minute, by limit: what the totals have grown by. */
  #refusedLately({ refusals, uptime_seconds }) {
    const now = Date.now() / 1000;
    const restarted = this.#history.length > 0 && uptime_seconds < this.#history.at(-1).uptime;
    if (restarted) this.#history = [];
    this.#history.push({ at: now, refusals, uptime: uptime_seconds });
    while (this.#history[0].at < now - RECENT) this.#history.shift();
    // What a server refused that has just started is recent, too.
    const before = uptime_seconds <= RECENT ? {} : this.#history[0].refusals;
    const grown = Object.entries(refusals).map(([limit, total]) => [limit, total - (before[limit] ?? 0)]);
    return Object.fromEntries(grown.filter(([, times]) => times > 0));
  }
}

/** An overview in which every part is there; numbers that the server does not know stay absent, and are shown as a dash. */
function complete({ connections, rates, latency, refusals, fds, ...others }) {
  const windows = (given) => ({ "10s": given?.["10s"] ?? {}, "60s": given?.["60s"] ?? {} });
  return {
    ...others, rates: windows(rates), latency: windows(latency), refusals: refusals ?? {}, fds: fds ?? {},
    connections: { ...connections, by_transport: connections?.by_transport ?? {}, by_protocol: connections?.by_protocol ?? {} },
  };
}

function manual(section) {
  const href = `/console/operations.md#:~:text=${encodeURIComponent(`## ${section}`).replaceAll("-", "%2D")}`;
  return el("a", { href, target: "_blank", rel: "noopener" }, "What to do");
}

function showShares(place, parts) {
  const all = Object.entries(parts).filter(([, times]) => times > 0);
  if (all.length === 0) return fill(place, el("p", { className: "faint" }, "No connections."));
  const sum = all.reduce((sum, [, times]) => sum + times, 0);
  const rows = all.sort(([, one], [, other]) => other - one).map(([part, times]) =>
    el("div", { className: "share" }, el("span", {}, words(part)), el("b", {}, count(times)), el("progress", { value: times, max: sum, "aria-label": words(part) })));
  fill(place, ...rows);
}

function showProcess(place, { memory, fds, certificate_expires, uptime_seconds, phase }) {
  const fact = (title, value) => [el("dt", {}, title), el("dd", {}, value)];
  const certificate = certificate_expires && fact("Certificate", `${count(Math.floor((Date.parse(certificate_expires) - Date.now()) / 86400e3))} days left`);
  const facts = [fact("Phase", words(phase)), fact("Up", duration(uptime_seconds)), fact("Memory", bytes(memory)), fact("Open files", fds.limit ? `${count(fds.open)} of ${count(fds.limit)}` : count(fds.open)), certificate];
  fill(place, ...facts.filter(Boolean).flat());
}

function showRefusals(place, refusals) {
  const all = Object.entries(refusals).filter(([, times]) => times > 0).sort(([, one], [, other]) => other - one);
  // A link that has the focus stays where it is.
  if (place.dataset.shown === JSON.stringify(all)) return;
  place.dataset.shown = JSON.stringify(all);
  if (all.length === 0) return fill(place, el("p", { className: "faint" }, "Nothing was refused."));
  const rows = all.map(([limit, times]) => el("div", { className: "refusal" }, el("code", {}, limit), el("b", {}, count(times))));
  fill(place, ...rows, el("p", {}, manual("Metrics")));
}

