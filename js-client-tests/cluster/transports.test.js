// Two nodes behind an nginx without stickiness: each request of a client goes to the next node.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { speaking } from "../features/cell.js";
import { LICENCE, licence } from "../features/events.js";
import { Cluster, withoutCluster } from "../support/cluster.js";
import { CUTS, Cutter } from "../support/cutter.js";
import { libraries } from "../support/libraries.js";
import { token } from "../support/token.js";

/** How many clients connect at once with each transport and protocol. */
const CLIENTS = 20;

/** How many events they get. */
const EVENTS = 20;

const numbers = Array.from({ length: EVENTS }, (_, number) => number);
const { version, signalR } = libraries.at(-1);

/** A client that is not started, with the numbers of the events that it gets. */
function listener(url, configure, options) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(url + "/signalr/v1/mainHub", { accessTokenFactory: () => token(), ...options })
    .configureLogging(signalR.LogLevel.None);
  const connection = configure(builder).build();
  const heard = [];
  let arrived = () => {};
  connection.on("OnEvent", ({ p }) => arrived(heard.push(p.number)));
  const until = async (count) => {
    while (heard.length < count) await new Promise((resolve) => (arrived = resolve));
  };
  return { connection, heard, until };
}

describe(`a cluster without sticky sessions (@microsoft/signalr ${version})`, { skip: withoutCluster }, () => {
  let cluster;
  let publishes = 0;
  const publish = (event) => cluster.nodes[publishes++ % cluster.nodes.length].server.publish(event);
  before(async () => {
    cluster = await Cluster.start({ settings: { SIGNALHUB_HUB__STATEFUL_RECONNECT: "true" } });
  });
  after(() => cluster?.stop());

  for (const [transport, protocol] of [
    ["WebSockets", "json"],
    ["WebSockets", "messagepack"],
    ["ServerSentEvents", "json"],
    ["LongPolling", "json"],
    ["LongPolling", "messagepack"],
  ]) {
    it(`${CLIENTS} clients get the events of all nodes, once and in order, over ${transport} in ${protocol}`, async (t) => {
      const before = await cluster.metric("signalhub_cluster_forwards_total");
      const options = { transport: signalR.HttpTransportType[transport] };
      const listeners = Array.from({ length: CLIENTS }, () => listener(cluster.url, (builder) => speaking(signalR, protocol, builder), options));
      t.after(() => Promise.all(listeners.map(({ connection }) => connection.stop())));
      await Promise.all(listeners.map(({ connection }) => connection.start()));
      await Promise.all(listeners.map(({ connection }) => connection.invoke("Subscribe", { e: LICENCE })));
      for (const number of numbers) await publish(licence({ number }));
      for (const { heard, until } of listeners) {
        await until(EVENTS);
        assert.deepEqual(heard, numbers);
      }
      const forwards = (await cluster.metric("signalhub_cluster_forwards_total")) - before;
      if (transport === "WebSockets") assert.equal(forwards, 0, "a WebSocket is owned by the node that it reaches");
      else assert.ok(forwards > 0, "no request reached a node that does not own its connection");
      assert.equal(await cluster.metric("signalhub_cluster_forward_failures_total"), 0);
    });
  }

  it("a client with stateful reconnect comes back through another node, and is the same connection", async (t) => {
    const cutter = await Cutter.open(cluster.url);
    t.after(() => cutter.close());
    const { connection, heard, until } = listener(cutter.url, (builder) => builder.withStatefulReconnect());
    await connection.start();
    t.after(() => connection.stop());
    const id = connection.connectionId;
    await connection.invoke("Subscribe", { e: LICENCE });
    for (let number = 0; number < EVENTS; number++) {
      if (number % 4 === 1) cutter.arm(number * CUTS.length);
      await publish(licence({ number }));
      await until(number + 1);
    }
    assert.deepEqual(heard, numbers);
    assert.equal(connection.connectionId, id);
    assert.ok(cutter.made.reset > 0, "the network was never cut");
    assert.ok((await cluster.metric("signalhub_cluster_forwards_total", /kind="socket"/)) > 0, "no WebSocket came back through another node");
  });
});
