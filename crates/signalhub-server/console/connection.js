// One connection in a dialog: what it is subscribed to, what it may see, its queue; disconnecting it, and explaining what it gets.

import { get, remove } from "./api.js";
import { closeDialog, openDialog } from "./dialog.js";
import { el, fill, name, showError } from "./dom.js";
import { bytes, count, counted, duration, moment, visible, words } from "./format.js";
import { explainForm } from "./explain.js";

/** How many subscriptions, grants and groups are listed. */
const LISTED = 200;

/** Opens the dialog of a connection; `onDone` is called with a sentence once it is told to disconnect. */
export async function openConnection(id, onDone) {
  const error = el("div", { className: "error", role: "alert", hidden: true });
  openDialog("Connection", [error, el("p", { className: "faint" }, "Asking the server …")]);
  try {
    const connection = await get(`connections/${encodeURIComponent(id)}`);
    openDialog(`Connection of ${visible(connection.user || "no user")}`, content(connection, onDone));
  } catch (problem) {
    openDialog("Connection", [error]);
    const gone = problem.code === "unknown_connection";
    showError(error, gone ? { title: "This connection has ended", detail: "Refresh the table to see who is connected." } : problem);
  }
}

function content(connection, onDone) {
  const fact = (title, value) => [el("dt", {}, title), el("dd", {}, value)];
  const facts = [
    fact("Id", el("code", {}, name(connection.id))),
    fact("User", name(connection.user, "none")),
    fact("Organisation", name(connection.organisation, "none")),
    fact("Transport", `${words(connection.transport)}, ${words(connection.protocol)}${connection.stateful ? ", stateful reconnect" : ""}`),
    fact("Address", name(connection.address)),
    ...(connection.node ? [fact("Node", name(connection.node))] : []),
    fact("Connected", moment(connection.since)),
    fact("Token expires", connection.expires ? moment(connection.expires) : "never"),
    fact("Idle", duration(connection.idle_seconds)),
    fact("Traffic", `received ${bytes(connection.received)}, sent ${bytes(connection.sent)} in ${counted(connection.deliveries, "delivery", "deliveries")}`),
    fact("Queue", connection.queued_bytes > 0 ? `${bytes(connection.queued_bytes)}, the oldest for ${duration(connection.queued_oldest_seconds)}` : "empty"),
  ];
  const place = el("div", { "aria-live": "polite" });
  const disconnect = el("button", { type: "button", className: "danger", onclick: () => confirm(connection, place, onDone) }, "Disconnect …");
  const explain = el("button", { type: "button", onclick: () => fill(place, explainForm({ connection: connection.id })) }, "Explain …");
  return [
    el("div", { className: "buttons" }, disconnect, explain),
    place,
    el("dl", { className: "facts" }, ...facts.flat()),
    list("Subscriptions", connection.subscriptions, "It has subscribed to nothing."),
    list("Grants", connection.grants, "It may subscribe to nothing."),
    list("Groups", connection.groups, "It is in no group."),
  ];
}

/** A list of filters `{e, n or r, a}` or of names. */
function list(title, all, nothing) {
  if (!all?.length) return el("div", {}, el("h3", {}, title), el("p", { className: "faint" }, nothing));
  const rows = all.slice(0, LISTED).map((item) => {
    if (typeof item === "string") return el("tr", {}, el("td", {}, name(item)));
    const resource = item.n ?? item.r;
    return el("tr", {}, el("td", {}, name(item.e)), el("td", {}, name(resource, "every resource")), el("td", {}, name(item.a?.length > 0 ? item.a.join(", ") : "", "every action")));
  });
  const more = all.length > LISTED ? el("p", { className: "faint" }, `and ${count(all.length - LISTED)} more`) : undefined;
  return el("div", {}, el("h3", {}, `${title} (${count(all.length)})`), el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": title }, el("table", {}, el("tbody", {}, ...rows))), more);
}

function confirm(connection, place, onDone) {
  const error = el("div", { className: "error", role: "alert", hidden: true });
  const reason = el("input", { name: "reason", autocomplete: "off", maxLength: 256 });
  const choice = (value, text, checked) => el("label", { className: "check" }, el("input", { type: "radio", name: "reconnect", value, checked }), text);
  const form = el("form", { className: "confirm" },
    el("strong", {}, "Disconnect ", name(connection.user, "this connection"), "?"),
    el("fieldset", {}, el("legend", {}, "What its client is told"), choice("true", "It may reconnect by itself", true), choice("false", "Not to reconnect", false)),
    el("label", {}, "Reason for the client (optional)", reason),
    error,
    el("div", { className: "buttons" },
      el("button", { type: "submit", className: "danger" }, "Disconnect"),
      el("button", { type: "button", onclick: () => fill(place) }, "Keep connected")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    try {
      await remove(`connections/${encodeURIComponent(connection.id)}`, { query: fields });
      closeDialog();
      onDone(`${visible(connection.user || "The connection")} was told to disconnect.`);
    } catch (problem) {
      showError(error, problem.code === "unknown_connection" ? { title: "This connection has ended already" } : problem);
    }
  });
  fill(place, form);
  form.querySelector("button[type=submit]").focus();
}
