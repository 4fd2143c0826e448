// Nodes of a cluster behind an nginx that gives each request to the next node.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { freePort } from "./free-port.js";
import { Link } from "./link.js";
import { Nginx, hasNginx } from "./nginx.js";
import { Redis, hasRedis } from "./redis.js";
import { Server } from "./server.js";

/** Why tests of a cluster are skipped, or false. */
export const withoutCluster =
  (!hasRedis && "not run: redis-server is not installed") || (!hasNginx && "not run: nginx is not installed");

/** The secret that nodes sign connection tokens with. */
const CLUSTER_SECRET = "a secret of the cluster with enough bytes for HMAC";

/** How long a node may take to become a member again. */
const PATIENCE = 60_000;

/** One node, with the network between it and Redis, and between it and the other nodes. */
class Node {
  #settings;
  #binary;
  server;
  internal;
  /** Between it and Redis; null if it asks a sentinel where that is. */
  link = null;
  /** What other nodes reach it through. */
  peers;

  static async start(name, redis, settings, binary) {
    const node = new Node();
    node.#binary = binary;
    const port = await freePort();
    node.peers = await Link.open(port);
    if (!redis.url) node.link = await Link.open(redis.port);
    node.#settings = {
      SIGNALHUB_LISTEN__INTERNAL: "127.0.0.1:0",
      SIGNALHUB_CLUSTER__REDIS: redis.url ?? `redis://127.0.0.1:${node.link.port}`,
      SIGNALHUB_CLUSTER__SECRET: CLUSTER_SECRET,
      SIGNALHUB_CLUSTER__NODE: name,
      SIGNALHUB_CLUSTER__LISTEN: `127.0.0.1:${port}`,
      SIGNALHUB_CLUSTER__ADVERTISE: `127.0.0.1:${node.peers.port}`,
      // All clients of a test have one address.
      SIGNALHUB_LIMITS__SOCKETS_PER_ADDRESS: "unlimited",
      ...(process.env.SIGNALHUB_FAULT_LOGS && { SIGNALHUB_LOG__LEVEL: "info,signalhub_redis=debug" }),
      ...settings,
    };
    try {
      await node.#run("127.0.0.1:0");
    } catch (error) {
      await node.#close();
      throw error;
    }
    return node;
  }

  async #run(listen) {
    this.server = await Server.start(listen, this.#settings, this.#binary);
    const [, address] = await this.server.logged(/serving operators.*?(127\.0\.0\.1:\d+)/);
    this.internal = `http://${address}`;
  }

  get url() {
    return this.server.url;
  }

  get name() {
    return this.#settings.SIGNALHUB_CLUSTER__NODE;
  }

  /** Starts it again at its address after a kill or a stop, from then on with another binary if one is named. */
  async restart(binary = this.#binary) {
    this.#binary = binary;
    await this.#run(new URL(this.url).host);
  }

  /** The sum of the samples of a metric whose labels match. */
  async metric(name, labels = /./) {
    const text = await (await fetch(`${this.internal}/metrics`)).text();
    const samples = [...text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)`, "gm"))];
    return samples.filter(([, found = "{}"]) => labels.test(found)).reduce((sum, [, , value]) => sum + Number(value), 0);
  }

  /** Completes when it is connected to Redis with all of its links. */
  async joined() {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const answer = await fetch(`${this.internal}/metrics`).then((response) => response.text(), () => "");
      const links = [...answer.matchAll(/^signalhub_cluster_connected\{[^}]*\} (\d)/gm)].map(([, value]) => value);
      if (links.length > 0 && links.every((value) => value === "1")) return;
      assert.ok(Date.now() < deadline, `${this.url} has not joined the cluster: ${links}\n${this.server.output.slice(-2_000)}`);
      await delay(20);
    }
  }

  async stop() {
    await this.server.stop();
    await this.#close();
  }

  async #close() {
    await this.link?.close();
    await this.peers.close();
  }
}

/** A running cluster. */
export class Cluster {
  redis;
  nodes = [];
  /** What is done when it has stopped. */
  afterwards = [];
  #nginx;

  /**
   * Starts `nodes` nodes. `startRedis` starts what they share, which is a Redis of its own by default; `settingsOf` are further
   * settings of the node with a number, `binary` is the program of all nodes. Requests go to
   * the nodes in turn, or at random.
   */
  static async start({ nodes = 2, startRedis = () => Redis.start(), settings = {}, settingsOf = () => ({}), binary, random = false } = {}) {
    const cluster = new Cluster();
    try {
      cluster.redis = await startRedis();
      for (let number = 0; number < nodes; number++) {
        const all = { SIGNALHUB_LISTEN__TRUSTED_PROXIES: "127.0.0.1", ...settings, ...settingsOf(number) };
        cluster.nodes.push(await Node.start(`node-${number + 1}`, cluster.redis, all, binary));
      }
      await cluster.joined();
      cluster.#nginx = await Nginx.start(cluster.urls, { random });
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** The address of nginx. */
  get url() {
    return this.#nginx.url;
  }

  /** The nodes by their own addresses. */
  get urls() {
    return this.nodes.map(({ url }) => url);
  }

  /** Completes when all nodes are connected to Redis. */
  async joined() {
    await Promise.all(this.nodes.map((node) => node.joined()));
  }

  /** The sum of a metric over all nodes. */
  async metric(name, labels) {
    const values = await Promise.all(this.nodes.map((node) => node.metric(name, labels)));
    return values.reduce((sum, value) => sum + value, 0);
  }

  async stop() {
    await this.#nginx?.stop();
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.redis?.stop();
    for (const end of this.afterwards) await end();
  }
}
