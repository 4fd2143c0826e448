// The tab Connections: a table that the server sorts, filters and pages through, however many connections there are.

import { get } from "./api.js";
import { openConnection } from "./connection.js";
import { $, el, empty, fill, name, say, showError } from "./dom.js";
import { bytes, clock, count, duration, visible, words } from "./format.js";

/** How many rows a page has. */
const LIMIT = 100;

const queue = ({ queued_bytes, queued_oldest_seconds }) =>
  queued_bytes > 0
    ? el("span", { className: "queue" }, bytes(queued_bytes) + (queued_oldest_seconds > 0 ? `, ${duration(queued_oldest_seconds)}` : ""))
    : "0 B";

/** The columns: title, content, the order of the API that sorts by it, and the class. Wide and medium ones are left out on small screens. */
const COLUMNS = [
  ["Organisation", (c) => name(c.organisation), undefined, "medium"],
  ["Queued", queue, "queued", "number"],
  ["Age", (c) => duration((Date.now() - Date.parse(c.since)) / 1000), "age", "number"],
  ["Idle", (c) => duration(c.idle_seconds), undefined, "number wide"],
  ["Subscriptions", (c) => count(c.subscriptions), "subscriptions", "number medium"],
  ["Sent", (c) => bytes(c.sent), "sent", "number medium"],
  ["Received", (c) => bytes(c.received), undefined, "number wide"],
  ["Transport", (c) => words(c.transport), undefined, "medium"],
  ["Protocol", (c) => words(c.protocol), undefined, "wide"],
  ["Address", (c) => name(c.address), undefined, "wide"],
];

/** The further column in a cluster. */
const NODE = ["Node", (c) => name(c.node), undefined, "medium"];

export class Connections {
  #sort = "queued";
  /** Where each page that was seen begins; the last one is shown. */
  #starts = [undefined];
  #next;
  #asking;
  #columns = COLUMNS;

  constructor() {
    this.#showHead();
    $("connections-filter").addEventListener("submit", (event) => {
      event.preventDefault();
      this.first();
    });
    $("connections-first").addEventListener("click", () => this.first());
    $("connections-next").addEventListener("click", () => this.#go([...this.#starts, this.#next]));
  }

  /** Loads the table when the tab is opened. */
  open() {
    return this.#go(this.#starts);
  }

  /** Shows the first page. */
  first() {
    return this.#go([undefined]);
  }

  #showHead() {
    fill($("connections-head"), el("th", { scope: "col" }, "User"), ...this.#columns.map((column) => this.#header(column)));
  }

  #header([title, , sort, className]) {
    if (!sort) return el("th", { scope: "col", className }, title);
    const button = el("button", { type: "button", onclick: () => this.#sortBy(sort) }, title);
    return el("th", { scope: "col", className, "aria-sort": sort === this.#sort ? "descending" : "none", id: `sort-${sort}` }, button);
  }

  #sortBy(sort) {
    $(`sort-${this.#sort}`).setAttribute("aria-sort", "none");
    $(`sort-${sort}`).setAttribute("aria-sort", "descending");
    this.#sort = sort;
    this.first();
  }

  async #go(starts) {
    // Only the last question counts.
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    const filter = Object.fromEntries(new FormData($("connections-filter")));
    try {
      const { value, next, missing } = await get("connections", { query: { ...filter, sort: this.#sort, limit: LIMIT, after: starts.at(-1) }, signal });
      this.#starts = starts;
      this.#next = next;
      showError($("connections-error"));
      this.#show(value, missing ?? [], Object.values(filter).some((wanted) => wanted !== ""));
    } catch (error) {
      if (!signal.aborted) showError($("connections-error"), error);
    }
  }

  #show(connections, missing, filtered) {
    const columns = connections.some(({ node }) => node) ? [...COLUMNS, NODE] : COLUMNS;
    if (columns.length !== this.#columns.length) {
      this.#columns = columns;
      this.#showHead();
    }
    fill($("connections-rows"), ...connections.map((connection) => this.#row(connection)));
    const before = (this.#starts.length - 1) * LIMIT;
    const range = connections.length === 0 ? "" : `${count(before + 1)} to ${count(before + connections.length)}, as of ${clock(new Date())}`;
    const absent = missing.length === 0 ? "" : `Without nodes that did not answer: ${missing.map(visible).join(", ")}`;
    say($("connections-range"), [range, absent].filter(Boolean).join(". "));
    $("connections-first").disabled = this.#starts.length === 1;
    $("connections-next").disabled = !this.#next;
    $("connections-table").hidden = connections.length === 0;
    const nothing = filtered ? empty("No connection matches", "Change the filter above.") : empty("No connections", "They appear here when clients connect to the hub.");
    fill($("connections-empty"), connections.length === 0 && nothing);
  }

  #row(connection) {
    const open = () => openConnection(connection.id, (notice) => {
      say($("connections-notice"), notice);
      this.open();
    });
    const user = el("button", { type: "button", className: "link", onclick: open }, name(connection.user, "(no user)"));
    const cells = this.#columns.map(([, content, , className]) => el("td", { className }, content(connection)));
    return el("tr", {}, el("td", {}, user), ...cells);
  }
}
