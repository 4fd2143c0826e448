// The tab Events: what clients are subscribed to, and the events as they are published.

import { ApiError, get, stream } from "./api.js";
import { $, el, empty, fill, name, say, showError } from "./dom.js";
import { bytes, clock, count, counted, json, visible } from "./format.js";

/** How many events of the tail are kept in the page. */
const KEPT = 200;

/** How many clients are listed that got an event. */
const LISTED = 50;

export class Events {
  #tail;
  #paused = false;
  /** What arrived during a pause, the newest last. */
  #waiting = [];
  #missed = 0;

  constructor() {
    $("subscriptions-by").addEventListener("change", () => this.open());
    $("subscriptions-refresh").addEventListener("click", () => this.open());
    $("tail-filter").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#tail) this.stop();
      else this.#start();
    });
    $("tail-pause").addEventListener("click", () => this.#pause(!this.#paused));
    $("tail-clear").addEventListener("click", () => this.#clear());
    this.#clear();
  }

  /** Loads the subscriptions when the tab is opened. */
  async open() {
    const by = $("subscriptions-by").value;
    try {
      const { value } = await get("subscriptions", { query: { by, limit: 50 } });
      showError($("subscriptions-error"));
      $("subscriptions-table").classList.toggle("by-resource", by === "resource");
      fill($("subscriptions-rows"), ...value.map((row) => subscriptionRow(row, by)));
      $("subscriptions-table").hidden = value.length === 0;
      fill($("subscriptions-empty"), value.length === 0 && empty("No subscriptions", "Clients subscribe by calling Subscribe of the hub."));
    } catch (error) {
      showError($("subscriptions-error"), error);
    }
  }

  async #start() {
    const tail = (this.#tail = new AbortController());
    const query = Object.fromEntries(new FormData($("tail-filter")));
    showError($("tail-error"));
    this.#running("connecting …");
    try {
      await stream("events/tail", { query, signal: tail.signal, onOpen: () => this.#running("live"), onEvent: (type, data) => this.#arrived(type, data) });
      throw new ApiError(0, "ended", "The server ended the tail", "Start it again to continue.");
    } catch (error) {
      if (tail.signal.aborted) return;
      this.stop();
      const lost = !(error instanceof ApiError);
      showError($("tail-error"), lost ? { title: "The tail was interrupted", detail: "The server stopped, or the network failed. Start it again to continue." } : error);
    }
  }

  /** Ends the tail; what it has shown stays. */
  stop() {
    this.#tail?.abort();
    this.#tail = undefined;
    this.#pause(false);
    say($("tail-state"), "stopped");
    say($("tail-start"), "Start");
    $("tail-pause").disabled = true;
  }

  #running(state) {
    say($("tail-state"), state);
    say($("tail-start"), "Stop");
    $("tail-pause").disabled = false;
  }

  #pause(paused) {
    if (paused === this.#paused) return;
    this.#paused = paused;
    say($("tail-pause"), paused ? "Continue" : "Pause");
    $("tail-pause").setAttribute("aria-pressed", String(paused));
    if (paused) return say($("tail-state"), "paused");
    if (this.#missed > 0) this.#add(gap(this.#missed, "came during the pause and are not kept"));
    for (const item of this.#waiting) this.#add(item());
    [this.#waiting, this.#missed] = [[], 0];
    if (this.#tail) say($("tail-state"), "live");
  }

  #arrived(type, data) {
    const value = JSON.parse(data);
    const at = new Date();
    const item = type === "dropped" ? () => gap(value.dropped ?? value, "were not sent, because this page did not read fast enough") : () => eventItem(value, at);
    if (!this.#paused) return this.#add(item());
    this.#waiting.push(item);
    if (this.#waiting.length > KEPT) [this.#missed] = [this.#missed + 1, this.#waiting.shift()];
    // Not a text that a screen reader would repeat with every event.
    $("tail-pause").title = `${counted(this.#waiting.length + this.#missed, "event")} came meanwhile`;
  }

  #add(item) {
    fill($("tail-empty"));
    $("tail").prepend(item);
    while ($("tail").childElementCount > KEPT) $("tail").lastElementChild.remove();
  }

  #clear() {
    fill($("tail"));
    [this.#waiting, this.#missed] = [[], 0];
    fill($("tail-empty"), empty("No events yet", "Start the tail to see events as they are published."));
  }
}

function subscriptionRow({ event, resource, subscriptions, matched_60s }, by) {
  return el("tr", {}, el("td", {}, name(event)), by === "resource" && el("td", {}, name(resource, "every resource")),
    el("td", { className: "number" }, count(subscriptions)), el("td", { className: "number" }, count(matched_60s)));
}

function gap(times, why) {
  return el("li", { className: "gap" }, `${counted(Number(times), "event")} ${why}`);
}

function eventItem(event, at) {
  const more = el("div", { className: "more" });
  const details = el("details", {},
    el("summary", {}, el("span", {}, clock(at)), name(event.event), el("span", {}, event.org ? name(event.org) : "all organisations"),
      el("span", {}, `${count(event.matched)} matched, ${bytes(event.bytes)}`)),
    more);
  // Made when it is opened: most events are only passed over.
  details.addEventListener("toggle", () => details.open && more.childElementCount === 0 && describe(event, more), { once: false });
  return el("li", {}, details);
}

/** Who got an event: users with the ids of their connections, and how many more there were. */
function* recipients(connections, others) {
  if (connections.length + others === 0) return yield "no client";
  for (const { connection, user } of connections.slice(0, LISTED)) yield el("div", {}, name(user, "(no user)"), " ", el("code", {}, name(connection)));
  const more = connections.length - LISTED;
  if (more > 0) yield el("div", {}, `and ${count(more)} more`);
  if (others > 0) yield el("div", { className: "faint" }, `${counted(others, "connection")} that ended since, or that the server does not remember`);
}

async function describe(event, place) {
  const fact = (title, value) => [el("dt", {}, title), el("dd", {}, value)];
  const facts = [fact("Position", el("code", {}, visible(event.position))), fact("Sender", typeof event.sender === "object" && event.sender ? el("code", {}, json(event.sender)) : name(event.sender, "unknown")),
    ...(event.resource ? [fact("Resource", `${visible(event.resource)}${event.action ? ` ${visible(event.action)}` : ""}`)] : []),
    fact("Trace", event.trace_id ? el("code", {}, visible(event.trace_id)) : "none")];
  const got = el("dd", {}, "asking …");
  const payload = "payload" in event ? el("pre", {}, json(event.payload)) : el("p", { className: "faint" }, "The payload is not shown: admin.show_payloads is off.");
  fill(place, el("dl", { className: "facts" }, ...facts.flat(), el("dt", {}, "Matched"), got), payload);
  try {
    const { connections, ended, not_remembered } = await get("events/recent", { query: { event: event.event, position: event.position } });
    fill(got, ...recipients(connections, ended + not_remembered));
  } catch (error) {
    say(got, error.code === "not_found" ? "not remembered any more: the server keeps this of the last 100 events" : error.title);
  }
}
