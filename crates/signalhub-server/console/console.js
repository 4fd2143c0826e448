// The console: tabs, signing in, and one overview per second while the page is visible.

import { get, token } from "./api.js";
import { ClusterCard } from "./cluster.js";
import { Connections } from "./connections.js";
import { openDialog, closeDialog } from "./dialog.js";
import { $, el, fill, say, showError } from "./dom.js";
import { Events } from "./events.js";
import { clock, duration, visible, words } from "./format.js";
import { Now } from "./now.js";
import { Try } from "./try.js";

/** The time between two overviews, in milliseconds. */
const INTERVAL = 1000;

/** How long the server has for an overview, in milliseconds. */
const TIMEOUT = 5000;

const views = { now: new Now(), connections: new Connections(), events: new Events(), try: new Try() };
const cluster = new ClusterCard();
const tabs = Object.fromEntries(Object.keys(views).map((view) => [view, $(`tab-${view}`)]));

/** Whether the admin API has answered, so that there is something to show. */
let admitted = false;

// Tabs, as the ARIA Authoring Practices describe them: arrow keys move and open, Tab leaves.

const shownView = () => (Object.hasOwn(views, location.hash.slice(1)) ? location.hash.slice(1) : "now");

function show(view) {
  for (const [other, tab] of Object.entries(tabs)) {
    const selected = other === view;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
    $(other).hidden = !(selected && admitted);
  }
  if (admitted) views[view].open();
}

function choose(view) {
  history.replaceState(null, "", `#${view}`);
  show(view);
}

for (const [view, tab] of Object.entries(tabs)) tab.addEventListener("click", () => choose(view));
addEventListener("hashchange", () => show(shownView()));
$("tabs").addEventListener("keydown", (event) => {
  const names = Object.keys(tabs);
  const at = names.indexOf(shownView());
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const view = names.at(to % names.length);
  choose(view);
  tabs[view].focus();
});

// Signing in.

function signInForm(error, onDone) {
  const box = el("div", { className: "error", role: "alert", hidden: true });
  const input = el("input", { type: "password", name: "token", required: true, autocomplete: "off", spellcheck: false });
  const form = el("form", { className: "stack" }, el("label", {}, "Admin token", input), el("button", { type: "submit", className: "primary" }, "Sign in"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const before = token.get();
    token.set(input.value.trim());
    try {
      await checkToken();
      onDone();
      refreshSession();
      ask();
    } catch (problem) {
      if (before) token.set(before);
      else token.forget();
      showError(box, problem);
      input.select();
    }
  });
  if (error) showError(box, error);
  const where = "It is the value of admin.token in the configuration; in development mode the server prints it when it starts. This tab keeps it until it is closed.";
  return { input, content: [el("p", { className: "faint" }, where), form, box] };
}

/** Asks for something that only the token opens: where reading is free, an overview tells nothing about it. */
function checkToken() {
  return get("miskeys").catch((problem) => {
    // There are no such keys without their dialect, and the token is checked first.
    if (problem.status !== 404) throw problem;
  });
}

function refreshSession() {
  const button = $("session");
  button.hidden = !admitted;
  say(button, token.get() ? "Sign out" : "Sign in");
}

$("session").addEventListener("click", () => {
  if (!token.get()) {
    const { input, content } = signInForm(undefined, closeDialog);
    openDialog("Sign in", content);
    return input.focus();
  }
  token.forget();
  views.events.stop();
  views.try.stop();
  admitted = false;
  refreshSession();
  show(shownView());
  ask();
});

/** Shows why there is nothing to see, in place of the tabs. */
function bar(error) {
  if (!admitted && !$("gate").hidden && $("gate").dataset.code === `${error.status}`) return;
  admitted = false;
  refreshSession();
  show(shownView());
  $("tabs").hidden = true;
  $("gate").hidden = false;
  $("gate").dataset.code = `${error.status}`;
  $("dot").dataset.level = "none";
  say($("node"), "");
  say($("freshness"), "");
  if (error.status === 401) {
    const { input, content } = signInForm(token.get() ? error : undefined, () => {});
    token.forget();
    fill($("gate"), el("h2", {}, "Sign in"), ...content);
    return input.focus();
  }
  const again = error.status === 0 ? "This page keeps asking." : "";
  fill($("gate"), el("h2", {}, error.title), el("p", {}, visible(error.detail ?? "")), el("p", { className: "faint" }, again));
}

// The overview, once per second while the page is visible.

let timer;
let asking = false;
/** Whether asking again makes no sense until an operator signs in. */
let signedOut = false;

async function ask() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  signedOut = false;
  try {
    const overview = await get("overview", { signal: AbortSignal.timeout(TIMEOUT) });
    if (!admitted) admit();
    views.now.show(overview);
    cluster.follow(overview);
    const version = overview.version ? `, version ${visible(overview.version)}` : "";
    say($("node"), `${visible(overview.node)}${version}, ${words(overview.phase)}, up ${duration(overview.uptime_seconds)}`);
    say($("freshness"), `as of ${clock(new Date())}`);
  } catch (error) {
    signedOut = error.status === 401;
    // A server that does not answer leaves the last numbers, marked as old.
    const isRefused = [401, 403, 421].includes(error.status) || (error.status === 0 && !admitted);
    if (isRefused) return bar(error);
    if (!admitted) admit();
    views.now.fail(error);
  } finally {
    asking = false;
    if (!document.hidden && !signedOut) timer = setTimeout(ask, INTERVAL);
  }
}

function admit() {
  admitted = true;
  $("gate").hidden = true;
  $("tabs").hidden = false;
  refreshSession();
  show(shownView());
  catalogue();
}

/** Names of the events that the configuration declares; the console works without them. */
async function catalogue() {
  const configuration = await get("config").catch(() => undefined);
  if (configuration) views.try.offer(declared(configuration));
}

/** The names in the section `events`, from the list of all keys with their values. */
function declared({ value = [] }) {
  const names = (wanted) => value.find(({ key }) => key === `events.${wanted}`)?.value ?? [];
  return { withResources: names("with_resources"), withoutResources: names("without_resources") };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!signedOut) ask();
});
ask();
