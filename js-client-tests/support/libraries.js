// The official clients under test: the pinned one, and the newest of its major version in the lock file.

import { fileURLToPath } from "node:url";

import * as pinned from "@microsoft/signalr";
import * as msgpack from "@microsoft/signalr-protocol-msgpack";
import * as newest from "signalr-newest";
import * as first from "signalr-oldest";

/** The folder that pages load this package from. */
const bundle = (name) => fileURLToPath(new URL("../browser/", import.meta.resolve(name)));

/** The same for MessagePack. */
export const msgpackBundle = bundle("@microsoft/signalr-protocol-msgpack");

/** A library as pages have it, with MessagePack in it. */
const whole = (library) => ({ ...library, protocols: { msgpack } });

const all = [
  { version: pinned.VERSION, signalR: whole(pinned), bundle: bundle("@microsoft/signalr") },
  { version: newest.VERSION, signalR: whole(newest), bundle: bundle("signalr-newest") },
];

/** Each version once: the same client twice would tell nothing new. */
export const libraries = all.filter(({ version }, index) => all.findIndex((other) => other.version === version) === index);

/** The first version with automatic reconnect, for what old clients do when a connection ends. */
export const oldest = { version: first.VERSION, signalR: first };
