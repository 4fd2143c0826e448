import assert from "node:assert/strict";
import { test } from "node:test";

import { VERSION as newest } from "signalr-newest";

import { libraries } from "../support/libraries.js";

test("the pinned client and the newest 10.x in the lock file are tested", (t) => {
  assert.equal(libraries[0].version, "10.0.11");
  assert.equal(libraries.at(-1).version, newest);
  if (libraries.length === 1) t.diagnostic(`the newest 10.x is ${newest} too, so every test runs once`);
});
