// What clients of Portos do in every runtime, over every transport, in every protocol that it carries.

import { speaking } from "./cell.js";
import { crowd } from "./crowd.js";
import { CHANGED, LICENCE, brief, changed, licence } from "./events.js";
import { equal, rejects } from "./expect.js";
import filters from "./filters.js";
import { Listener, settle } from "./listener.js";

/** One place of the matrix: clients of one organisation, and events that no other client receives. */
class Stage {
  #opened = [];

  /**
   * `place` says where: `url` of the hub, the names of the `transport` and the `protocol`, the organisation `org`, `tokens`
   * by what they are for, and `publish`, because pages have no key for that.
   */
  constructor(signalR, place) {
    this.signalR = signalR;
    this.place = place;
  }

  /** A client that has started. */
  async listen({ token = "whole" } = {}) {
    const { signalR, place } = this;
    const builder = new signalR.HubConnectionBuilder()
      .withUrl(place.url, {
        transport: signalR.HttpTransportType[place.transport],
        accessTokenFactory: () => place.tokens[token],
      })
      .configureLogging(signalR.LogLevel.None);
    const connection = speaking(signalR, place.protocol, builder).build();
    this.#opened.push(connection);
    const listener = new Listener(connection);
    await connection.start();
    return listener;
  }

  /** Publishes to the organisation, unless the event says otherwise. */
  publish(event) {
    return this.place.publish({ ...event, org: event.org ?? this.place.org });
  }

  /** Stops every client. */
  async end() {
    await Promise.all(this.#opened.splice(0).map((connection) => connection.stop()));
  }
}

const bounds = [
  ["grants bound a wider subscription", async (stage) => {
    const listener = await stage.listen({ token: "ticks" });
    await listener.subscribe({ e: CHANGED });
    for (const event of [changed("tickets", 1), changed("tickets", 2), changed("devices", 1), changed("ticks", 3)]) {
      await stage.publish(event);
    }
    await settle(stage, [listener], [CHANGED]);
    equal(listener.heard.map(brief), ["tickets created", "ticks deleted"]);
  }],
  ["a subscription outside the grants is refused and names what is missing", async (stage) => {
    const listener = await stage.listen({ token: "ticks" });
    await rejects(listener.subscribe({ e: LICENCE }), /HubException: .*grant.*portos\.licence\.activated/);
    await rejects(listener.subscribe({ e: CHANGED, r: [{ n: "devices" }] }), /HubException: .*grant.*devices/);
    await listener.subscribe({ e: CHANGED, r: [{ n: "tickets", a: ["created"] }] });
  }],
  ["events of another organisation are not heard", async (stage) => {
    const listeners = [await stage.listen(), await stage.listen({ token: "other" })];
    for (const listener of listeners) await listener.subscribe({ e: CHANGED });
    await stage.publish(changed("tickets", 1));
    await stage.publish(changed("devices", 1, { org: stage.place.otherOrg }));
    await settle(stage, [listeners[0]], [CHANGED]);
    await settle({ publish: (event) => stage.publish({ ...event, org: stage.place.otherOrg }) }, [listeners[1]], [CHANGED]);
    equal(listeners.map(({ heard }) => heard.map(brief)), [["tickets created"], ["devices created"]]);
  }],
  ["an event that does not exist is refused in words, and the connection lives on", async (stage) => {
    const listener = await stage.listen();
    await rejects(listener.subscribe({ e: "portos.unknown" }), /HubException: .*portos\.unknown/);
    await listener.subscribe({ e: LICENCE });
    await stage.publish(licence());
    await settle(stage, [listener]);
    equal(listener.heard.map(brief), ["licence"]);
  }],
  // Browsers open six connections to a server, and each client holds one.
  ["a crowd hears exactly what each has asked for, in the order of the positions", async (stage) => {
    const heard = await crowd(stage, { clients: 4, events: 40 });
    equal(heard > 100, true, `only ${heard} deliveries were due, which proves little:`);
  }],
];

const features = new Map([...filters, ...bounds]);

/** What each feature claims. */
export const claims = [...features.keys()];

/** Runs one feature at a place. */
export async function run(signalR, claim, place) {
  const stage = new Stage(signalR, place);
  try {
    await features.get(claim)(stage);
  } finally {
    await stage.end();
  }
}
