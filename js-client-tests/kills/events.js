// What is published while the server is killed: numbered events of several names.

import { CHANGED, LICENCE, changed, licence } from "../features/events.js";

const DECLARED = "kills.declared";
const UNDECLARED = "kills.undeclared";

/** What clients subscribe to. */
export const REQUESTS = [{ e: CHANGED, r: [{ n: "tickets" }] }, { e: LICENCE }, { e: DECLARED }, { e: UNDECLARED }];

/** Settings of a server that accepts these events, and keeps all of them on disk. */
export const settings = (directory) => ({
  SIGNALHUB_EVENTS__WITHOUT_RESOURCES: DECLARED,
  SIGNALHUB_EVENTS__ALLOW_UNKNOWN: "true",
  SIGNALHUB_HISTORY__STORE: "disk",
  SIGNALHUB_HISTORY__DIRECTORY: directory,
  SIGNALHUB_HISTORY__EVENTS: "1000000",
  SIGNALHUB_HISTORY__BYTES: "512MiB",
});

/** The event of each name that carries this number, and that all clients want. */
export const wanted = (number) => [
  changed("tickets", 2, { version: number }),
  licence({ number }),
  { e: DECLARED, p: { number } },
  { e: UNDECLARED, p: { number } },
];

/** The event that carries this number: names take turns, and some resources are of no interest to any client. */
export function numbered(number) {
  const kinds = [...wanted(number), changed("devices", 2, { version: number })];
  return kinds[number % kinds.length];
}

/** The number that a notification or a stored event carries. */
export const number = ({ e, p }) => (e === CHANGED ? p.i.v : p.number);

/** Whether clients get it. */
export const isWanted = ({ e, p }) => e !== CHANGED || p.n === "tickets";
