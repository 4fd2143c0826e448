// The events that a client receives follow from its subscriptions, in any form that a subscription may have.

import { ACTIONS, CHANGED, LICENCE, brief, changed, licence } from "./events.js";
import { equal } from "./expect.js";
import { settle } from "./listener.js";

const RESOURCES = ["tickets", "devices", "Tickets"];
/** One of each kind that the rows are about. */
export const EVENTS = [...RESOURCES.flatMap((name) => Object.keys(ACTIONS).map((action) => changed(name, Number(action)))), licence()];

const every = (resource) => Object.values(ACTIONS).map((action) => `${resource} ${action}`);
const EVERY_CHANGE = RESOURCES.flatMap(every);

// Each row: the claim, the requests in order, what is received of everything published.
const ROWS = [
  ["no subscription hears nothing", [], []],
  ["an event without r hears every resource", [{ e: CHANGED }], EVERY_CHANGE],
  ["an empty r hears every resource", [{ e: CHANGED, r: [] }], EVERY_CHANGE],
  ["a null r hears every resource", [{ e: CHANGED, r: null }], EVERY_CHANGE],
  ["a resource without a hears every action", [{ e: CHANGED, r: [{ n: "tickets" }] }], every("tickets")],
  ["an empty a hears every action", [{ e: CHANGED, r: [{ n: "tickets", a: [] }] }], every("tickets")],
  ["a null a hears every action", [{ e: CHANGED, r: [{ n: "tickets", a: null }] }], every("tickets")],
  ["created is heard alone", [{ e: CHANGED, r: [{ n: "tickets", a: ["created"] }] }], ["tickets created"]],
  ["updated is heard alone", [{ e: CHANGED, r: [{ n: "tickets", a: ["updated"] }] }], ["tickets updated"]],
  ["deleted is heard alone", [{ e: CHANGED, r: [{ n: "tickets", a: ["deleted"] }] }], ["tickets deleted"]],
  [
    "several resources and actions are heard each as asked",
    [{ e: CHANGED, r: [{ n: "tickets", a: ["created", "deleted"] }, { n: "devices", a: ["updated"] }] }],
    ["tickets created", "tickets deleted", "devices updated"],
  ],
  ["a resource without publishers is no error", [{ e: CHANGED, r: [{ n: "stocks" }] }], []],
  ["the licence event is heard alone", [{ e: LICENCE }], ["licence"]],
  ["both events are heard", [{ e: LICENCE }, { e: CHANGED, r: [{ n: "devices" }] }], [...every("devices"), "licence"]],
  [
    "overlapping entries deliver once",
    [{ e: CHANGED }, { e: CHANGED, r: [{ n: "tickets" }, { n: "tickets", a: ["created", "created"] }] }, { e: CHANGED }],
    EVERY_CHANGE,
  ],
  [
    "unsubscribing with the same request ends it",
    [{ e: CHANGED, r: [{ n: "tickets", a: ["created"] }] }, { off: { e: CHANGED, r: [{ n: "tickets", a: ["created"] }] } }],
    [],
  ],
  ["adding twice is undone by removing once", [{ e: LICENCE }, { e: LICENCE }, { off: { e: LICENCE } }], []],
  [
    "unsubscribing from a resource leaves the others",
    [{ e: CHANGED, r: [{ n: "tickets" }, { n: "devices" }] }, { off: { e: CHANGED, r: [{ n: "tickets" }] } }],
    every("devices"),
  ],
  [
    "unsubscribing from an action leaves the others",
    [
      { e: CHANGED, r: [{ n: "tickets", a: ["created", "updated"] }] },
      { off: { e: CHANGED, r: [{ n: "tickets", a: ["created"] }] } },
    ],
    ["tickets updated"],
  ],
  [
    "unsubscribing wider removes all narrower entries",
    [{ e: CHANGED, r: [{ n: "tickets", a: ["created"] }, { n: "devices" }] }, { e: LICENCE }, { off: { e: CHANGED } }],
    ["licence"],
  ],
  [
    "unsubscribing a resource removes its single actions",
    [{ e: CHANGED, r: [{ n: "tickets", a: ["created", "updated"] }] }, { off: { e: CHANGED, r: [{ n: "tickets" }] } }],
    [],
  ],
  [
    "unsubscribing narrower cuts no hole into a wider entry",
    [{ e: CHANGED }, { off: { e: CHANGED, r: [{ n: "tickets", a: ["created"] }] } }],
    EVERY_CHANGE,
  ],
  [
    "unsubscribing the wider entry leaves an entry that it does not cover",
    [{ e: CHANGED, r: [{ n: "tickets" }] }, { off: { e: CHANGED, r: [{ n: "devices" }] } }],
    every("tickets"),
  ],
  ["removing what is not there is no error", [{ off: { e: CHANGED } }, { off: { e: LICENCE } }], []],
  [
    "subscribing again after unsubscribing hears again",
    [{ e: LICENCE }, { off: { e: LICENCE } }, { e: LICENCE }],
    ["licence"],
  ],
  [
    "names of properties are read in any case",
    [{ E: CHANGED, R: [{ N: "tickets", A: ["created"] }] }],
    ["tickets created"],
  ],
  ["names of resources are matched exactly", [{ e: CHANGED, r: [{ n: "TICKETS" }] }], []],
  ["unknown properties are ignored", [{ e: LICENCE, x: { y: [1] } }], ["licence"]],
];

/** The claims of the rows, as features of a stage of `features/subscriptions.js`. */
export default ROWS.map(([claim, requests, hears]) => [
  claim,
  async (stage) => {
    const listener = await stage.listen();
    for (const request of requests) {
      const result = request.off ? await listener.unsubscribe(request.off) : await listener.subscribe(request);
      equal(result, null);
    }
    for (const event of EVENTS) await stage.publish(event);
    await settle(stage, [listener]);
    // Events of different names are not ordered.
    equal(listener.heard.map(brief).sort(), [...hears].sort());
  },
]);
