// What fails in a cluster, and what its clients may miss by it. Each fault ends with everything back.

import { setTimeout as delay } from "node:timers/promises";

/** Redis keeps what it was told. */
const PERSISTENT = ["--appendonly", "yes", "--appendfsync", "always"];

/**
 * A fault is a claim and a function that lets the cluster fail and heal; `seconds` is how long it lasts at full size. `redis` are arguments of
 * Redis. With `loses`, events may be lost: clients must be told of a gap.
 */
export const FAULTS = [
  {
    claim: "Redis stops for a moment",
    redis: PERSISTENT,
    fail: async (cluster) => {
      await cluster.redis.kill();
      await delay(1_000);
      await cluster.redis.restart();
    },
  },
  {
    claim: "Redis stops for longer than publishes wait",
    redis: PERSISTENT,
    slow: true,
    fail: async (cluster) => {
      await cluster.redis.kill();
      await delay(20_000);
      await cluster.redis.restart();
    },
  },
  {
    claim: "Redis forgets everything in a crash",
    loses: true,
    fail: async (cluster) => {
      await cluster.redis.kill();
      await cluster.redis.restart();
    },
  },
  {
    claim: "somebody empties Redis (FLUSHALL)",
    loses: true,
    fail: async (cluster) => void cluster.redis.command("FLUSHALL"),
  },
  {
    claim: "a node is killed and started again",
    fail: async (cluster) => {
      await cluster.nodes[0].server.kill();
      await delay(500);
      await cluster.nodes[0].restart();
    },
  },
  {
    claim: "a node stops in order and is started again, one after another",
    fail: async (cluster) => {
      for (const node of cluster.nodes) {
        await node.server.stop();
        await node.restart();
        await node.joined();
      }
    },
  },
  {
    claim: "a node is cut off from Redis, and not from its clients",
    fail: async (cluster) => {
      cluster.nodes[0].link.cut();
      await delay(1_500);
      cluster.nodes[0].link.heal();
    },
  },
  {
    claim: "the connections of a node to Redis hang",
    slow: true,
    fail: async (cluster) => {
      cluster.nodes[0].link.hang();
      await delay(12_000);
      cluster.nodes[0].link.heal();
    },
  },
  {
    claim: "all connections to Redis are killed (CLIENT KILL)",
    fail: async (cluster) => {
      cluster.redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      cluster.redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
  },
];
