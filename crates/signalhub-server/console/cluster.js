// The card of the cluster in the tab Now: its nodes, the links to Redis, the lag, and what was forwarded.

import { get } from "./api.js";
import { $, el, fill, name, say } from "./dom.js";
import { bytes, count, duration, latency, moment, visible, words } from "./format.js";

/** The time between two answers, in milliseconds. Other nodes are asked for each. */
const INTERVAL = 3000;

/** How long the server has for an answer, in milliseconds. */
const TIMEOUT = 5000;

const STATES = {
  member: ["on", "connected to Redis"],
  severed: ["wait", "severed: a link to Redis is lost, or another node has this name"],
  leaving: ["off", "leaving"],
};

const LINKS = [["commands", "Commands"], ["reader", "Reader of events"], ["channels", "Channels"]];

const FORWARDS = { poll: "Polls", send: "POSTs", events: "Event streams", socket: "Resumed WebSockets" };

export class ClusterCard {
  #asked = 0;
  #asking = false;

  /** Shows the card if an overview says that there is a cluster, and asks for what is in it. */
  async follow({ cluster }) {
    $("cluster").hidden = !cluster;
    if (!cluster) return;
    showState(cluster);
    if (this.#asking || Date.now() - this.#asked < INTERVAL) return;
    this.#asking = true;
    try {
      showCluster(await get("cluster", { signal: AbortSignal.timeout(TIMEOUT) }));
    } catch {
      // The overview says what is wrong; the card keeps what it has.
    } finally {
      this.#asking = false;
      this.#asked = Date.now();
    }
  }
}

function showState(state) {
  const [level, text] = STATES[state] ?? ["off", words(state)];
  $("cluster-state").dataset.state = level;
  say($("cluster-state"), text);
}

function showCluster(cluster) {
  fill($("cluster-nodes"), ...cluster.nodes.map((node) => nodeRow(node, cluster)));
  fill($("cluster-links"), ...cluster.links.flatMap(links));
  fill($("cluster-lag"), ...facts([
    ["Lag, p99", latency(cluster.lag?.["60s"].p99)],
    ["Lag, p50", latency(cluster.lag?.["60s"].p50)],
    ["Events read", count(cluster.events?.read)],
    ["Event names", count(cluster.events?.names)],
    ["Gaps", count(cluster.events?.gaps)],
    ["New epochs", count(cluster.events?.forks)],
  ]));
  const sum = (counts) => Object.values(counts ?? {}).reduce((sum, times) => sum + times, 0);
  fill($("cluster-forwards"), ...facts([
    ...Object.entries(cluster.forwards).map(([kind, times]) => [FORWARDS[kind] ?? words(kind), count(times)]),
    ["Failed", count(sum(cluster.forward_failures))],
    ["Refused", count(sum(cluster.refused_forwards))],
  ]));
}

function nodeRow(node, { node: own, missing }) {
  const isMissing = missing.includes(node.name);
  const state = isMissing ? "did not answer" : words(node.state);
  const level = isMissing || node.state === "severed" ? "wait" : "on";
  return el("tr", {},
    el("td", {}, name(node.name), node.name === own ? " (this one)" : ""),
    el("td", {}, el("span", { className: "state", "data-state": level }, state)),
    el("td", { className: "number" }, count(node.connections)),
    el("td", { className: "number medium" }, count(node.subscriptions)),
    el("td", { className: "number medium" }, bytes(node.queued_bytes)),
    el("td", { className: "wide" }, name(node.address)),
    el("td", { className: "wide" }, visible(node.version ?? "–")),
    el("td", { className: "number medium" }, duration((Date.now() - Date.parse(node.started)) / 1000)));
}

function links(server) {
  const state = (link) => {
    if (server[link] === "connected") return el("span", { className: "state", "data-state": "on" }, "connected");
    if (server[link] === "unused") return "unused";
    return el("span", { className: "state", "data-state": "wait", title: moment(server.since[link]) }, `away for ${duration((Date.now() - Date.parse(server.since[link])) / 1000)}`);
  };
  return [el("dt", {}, name(server.redis)), el("dd", {}, ""), ...facts(LINKS.map(([link, title]) => [title, state(link)]))];
}

function facts(all) {
  return all.flatMap(([title, value]) => [el("dt", {}, title), el("dd", {}, value)]);
}
