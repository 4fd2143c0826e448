// Fifty clients in Node; a smaller crowd is in every cell of tests/subscriptions.test.js.

import assert from "node:assert/strict";
import { it } from "node:test";

import { crowd } from "../features/crowd.js";
import { withEachClient } from "../support/suite.js";

withEachClient("a crowd", (suite) => {
  it("hears exactly what each has asked for, in the order of the positions", async () => {
    const stage = { listen: () => suite.connect(), publish: (event) => suite.server.publish(event) };
    const heard = await crowd(stage, { clients: 50, events: 100 });
    assert.ok(heard > 1000, `only ${heard} deliveries were due, which proves little`);
  });
});
