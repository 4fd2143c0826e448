// Everything that must work in every runtime, over every transport, in every protocol that it carries.

import addressing from "./addressing.js";
import calls from "./calls.js";
import { Cell } from "./cell.js";
import lives from "./lives.js";
import streams from "./streams.js";

const features = new Map([...calls, ...streams, ...addressing, ...lives]);

/** What each feature claims. */
export const claims = [...features.keys()];

/** Runs one feature at a place: `url` of the server, and the names of the `transport` and the `protocol`. */
export async function run(signalR, claim, place) {
  const cell = new Cell(signalR, place);
  try {
    await features.get(claim)(cell);
  } finally {
    await cell.end();
  }
}
