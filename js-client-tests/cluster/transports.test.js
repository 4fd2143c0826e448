// Two nodes behind an nginx without stickiness: each request of a client goes to the next node.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { hear } from "../features/portos.js";
import { Cluster, withoutCluster } from "../support/cluster.js";
import { Cutter } from "../support/cutter.js";
import { libraries } from "../support/libraries.js";
import { token } from "../support/token.js";
import { licence } from "../features/events.js";

/** How many clients connect at once with each transport and protocol. */
const CLIENTS = 20;

const { version, signalR } = libraries.at(-1);

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
    it(`${CLIENTS} clients get events of all nodes over ${transport} in ${protocol}`, async () => {
      const before = await cluster.metric("signalhub_cluster_forwards_total");
      const place = { url: cluster.url + "/signalr/v1/mainHub", token: token(), transport, protocol, publish };
      await Promise.all(Array.from({ length: CLIENTS }, () => hear(signalR, place)));
      const forwards = (await cluster.metric("signalhub_cluster_forwards_total")) - before;
      if (transport === "WebSockets") assert.equal(forwards, 0, "a WebSocket is owned by the node that it reaches");
      else assert.ok(forwards > 0, "no request reached a node that does not own its connection");
      assert.equal(await cluster.metric("signalhub_cluster_forward_failures_total"), 0);
    });
  }

  it("a client with stateful reconnect comes back through another node, and is the same connection", async () => {
    const cutter = await Cutter.open(cluster.url);
    const connection = new signalR.HubConnectionBuilder()
      .withUrl(cutter.url + "/signalr/v1/mainHub", { accessTokenFactory: () => token() })
      .configureLogging(signalR.LogLevel.None)
      .withStatefulReconnect()
      .build();
    const heard = [];
    let arrived = () => {};
    connection.on("OnEvent", ({ p }) => arrived(heard.push(p.number)));
    const until = async (count) => {
      while (heard.length < count) await new Promise((resolve) => (arrived = resolve));
    };
    await connection.start();
    try {
      const id = connection.connectionId;
      await connection.invoke("Subscribe", { e: "portos.licence.activated" });
      for (let number = 0; number < 20; number++) {
        if (number % 4 === 1) cutter.arm(number);
        await publish(licence({ number }));
        await until(number + 1);
      }
      assert.deepEqual(heard, Array.from({ length: 20 }, (_, number) => number));
      assert.equal(connection.connectionId, id);
      assert.ok((await cluster.metric("signalhub_cluster_forwards_total", /kind="socket"/)) > 0, "no WebSocket came back through another node");
    } finally {
      await connection.stop();
      await cutter.close();
    }
  });
});
