// The tab Try: publish an event, and see it arrive in an official client.

import { post } from "./api.js";
import { $, el, empty, fill, name, say, showError } from "./dom.js";
import { examples } from "./examples.js";
import { clock, counted, json, visible } from "./format.js";

/** How many events that arrived are kept in the page. */
const KEPT = 100;

/** Where the hub is; the server writes it into the page. */
const HUB = document.querySelector("meta[name=signalhub-hub]").content;

/** The method of the hub's notifications (Portos). */
const ON_EVENT = "OnEvent";

export class Try {
  #connection;

  constructor() {
    $("publish").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#publish();
    });
    $("publish-example").addEventListener("change", () => this.#prepare());
    $("listen").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#connection) this.stop();
      else this.#listen();
    });
    this.offer();
    this.#say("off", "not connected");
    fill($("heard-empty"), empty("Nothing has arrived yet", "Connect, then publish the prepared event on the same page."));
  }

  /** Offers prepared bodies for the events of the catalogue. */
  offer(declared) {
    this.examples = examples(declared);
    const names = [...this.examples.keys()];
    fill($("publish-example"), ...names.map((value) => el("option", { value }, visible(value))));
    fill($("event-names"), ...names.map((value) => el("option", { value })));
    if ($("publish-body").value === "") this.#prepare();
  }

  open() {}

  #prepare() {
    $("publish-body").value = JSON.stringify(this.examples.get($("publish-example").value), null, 2);
  }

  async #publish() {
    fill($("receipt"));
    let body;
    try {
      body = JSON.parse($("publish-body").value);
    } catch (error) {
      return showError($("publish-error"), { title: "The body is not JSON", detail: error.message });
    }
    try {
      const receipt = await post("publish", body);
      showError($("publish-error"));
      const all = [receipt].flat();
      const matched = all.reduce((sum, { matched = 0 }) => sum + matched, 0);
      fill($("receipt"), el("p", {}, el("strong", {}, `Published at ${clock(new Date())}: ${counted(matched, "subscriber")} matched.`)), el("pre", {}, json(receipt)));
    } catch (error) {
      showError($("publish-error"), error);
    }
  }

  async #listen() {
    const { event, resource, organisation } = Object.fromEntries(new FormData($("listen")));
    showError($("listen-error"));
    this.#say("wait", "asking for a token …");
    const grant = { e: event, ...(resource && { r: resource }) };
    const ask = () => post("tokens", { user: "console", ttl: "10m", grants: [grant], ...(organisation && { organisation }) });
    let connection;
    try {
      let first = await ask();
      // The client asks again for each new connection; the token that is there is good for the first one.
      const accessTokenFactory = async () => {
        const { token } = first ?? (await ask());
        first = undefined;
        return token;
      };
      connection = this.#connection = new signalR.HubConnectionBuilder()
        .withUrl(HUB, { accessTokenFactory, withCredentials: false })
        .withAutomaticReconnect()
        .configureLogging(signalR.LogLevel.None)
        .build();
      connection.on(ON_EVENT, (notification) => this.#add(notification));
      connection.onreconnecting(() => this.#say("wait", "reconnecting …"));
      connection.onclose((error) => this.#closed(connection, error));
      say($("listen-start"), "Disconnect");
      this.#say("wait", "connecting …");
      await connection.start();
      const request = { e: event, ...(resource && { r: [{ n: resource }] }) };
      const subscribe = () => connection.invoke("Subscribe", request);
      connection.onreconnected(() => subscribe().then(() => this.#say("on", `listening for ${visible(event)}`), (error) => this.#failed(connection, error)));
      await subscribe();
      this.#say("on", `listening for ${visible(event)}`);
    } catch (error) {
      this.#failed(connection, error);
    }
  }

  /** Ends the connection. */
  stop() {
    const connection = this.#connection;
    this.#connection = undefined;
    say($("listen-start"), "Connect");
    this.#say("off", "not connected");
    connection?.stop();
  }

  #failed(connection, error) {
    // It was stopped meanwhile.
    if (connection && connection !== this.#connection) return;
    this.stop();
    const known = error.title !== undefined;
    showError($("listen-error"), known ? error : { title: "The hub cannot be used from here", detail: `${error.message} The hub is at ${HUB}. If pages may not use it, add the origin of this page to cors.origins.` });
  }

  #closed(connection, error) {
    if (connection !== this.#connection) return;
    this.stop();
    if (error) showError($("listen-error"), { title: "The connection was lost", detail: error.message });
  }

  #say(state, text) {
    $("listen-state").dataset.state = state;
    say($("listen-state"), text);
  }

  #add(notification) {
    fill($("heard-empty"));
    const details = el("details", {}, el("summary", {}, el("span", {}, clock(new Date())), name(notification.e)), el("div", { className: "more" }, el("pre", {}, json(notification))));
    $("heard").prepend(el("li", {}, details));
    while ($("heard").childElementCount > KEPT) $("heard").lastElementChild.remove();
  }
}
