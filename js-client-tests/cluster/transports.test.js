// Two nodes behind an nginx without stickiness: each request of a client goes to the next node.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { LICENCE, licence } from "../features/events.js";
import { programs } from "../kills/programs.js";
import { Cluster, withoutCluster } from "../support/cluster.js";
import { CUTS, Cutter } from "../support/cutter.js";
import { libraries } from "../support/libraries.js";
import { javascriptCrowd, listener, round } from "./crowds.js";

/** How many clients connect at once in each way, and how many events they get. */
const SIZE = { clients: 20, events: 20 };

const library = libraries.at(-1);

/** Clients that are programs of their own, as words. */
const { crowds } = programs(JSON.parse(process.env.SIGNALHUB_CROWDS ?? "[]"));

describe("a cluster without sticky sessions", { skip: withoutCluster }, () => {
  let cluster;
  before(async () => {
    cluster = await Cluster.start({ settings: { SIGNALHUB_HUB__STATEFUL_RECONNECT: "true" } });
  });
  after(() => cluster?.stop());

  for (const { title, start } of [javascriptCrowd(library), ...crowds]) {
    it(`${SIZE.clients} clients get the events of all nodes, once and in order, in each way of ${title}`, async (t) => {
      const crowd = await start(cluster.url);
      t.after(() => crowd.stop());
      for (const [way, name] of crowd.ways.entries()) {
        await t.test(name, async () => {
          const { wrong, forwards, failures } = await round(cluster, crowd, way, SIZE);
          assert.deepEqual(wrong, []);
          if (/^websockets/i.test(name)) assert.equal(forwards, 0, "a WebSocket is owned by the node that it reaches");
          else assert.ok(forwards > 0, "no request reached a node that does not own its connection");
          assert.equal(failures, 0);
        });
      }
    });
  }

  it(`a client with stateful reconnect comes back through another node, and is the same connection (@microsoft/signalr ${library.version})`, async (t) => {
    const cutter = await Cutter.open(cluster.url);
    t.after(() => cutter.close());
    const { connection, heard, until } = listener(library.signalR, cutter.url, (builder) => builder.withStatefulReconnect());
    await connection.start();
    t.after(() => connection.stop());
    const id = connection.connectionId;
    await connection.invoke("Subscribe", { e: LICENCE });
    for (let number = 0; number < SIZE.events; number++) {
      if (number % 4 === 1) cutter.arm(number * CUTS.length);
      await cluster.nodes[number % cluster.nodes.length].server.publish(licence({ number }));
      await until(number + 1);
    }
    assert.deepEqual(heard, Array.from({ length: SIZE.events }, (_, number) => number));
    assert.equal(connection.connectionId, id);
    assert.ok(cutter.made.reset > 0, "the network was never cut");
    assert.ok((await cluster.metric("signalhub_cluster_forwards_total", /kind="socket"/)) > 0, "no WebSocket came back through another node");
  });
});
