// The official clients under test: the pinned one, and the newest of its major version in the lock file.

import * as pinned from "@microsoft/signalr";
import * as newest from "signalr-newest";

const all = [
  { version: pinned.VERSION, signalR: pinned },
  { version: newest.VERSION, signalR: newest },
];

/** Each version once: the same client twice would tell nothing new. */
export const libraries = all.filter(({ version }, index) => all.findIndex((other) => other.version === version) === index);
