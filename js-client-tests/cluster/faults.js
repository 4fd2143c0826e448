// What fails, by name, and what clients and publishers may notice of it. Each fault ends with everything back.

import { setTimeout as delay } from "node:timers/promises";

import { withoutCluster } from "../support/cluster.js";
import { withoutFakeTime } from "../support/fake-time.js";
import { withoutSentinel } from "../support/redis.js";
import { withoutSmallDisk } from "../support/small-disk.js";
import { answersNow, answersWithin, refusesNow } from "./expect.js";
import { aloneOnSmallDisk, onRedis, onSentinel, onSmallDiskOfRedis, withClocks } from "./stages.js";

/** The codes of publishes that Redis does not accept. One whose last attempt has had no answer in time is of the second kind. */
const NOT_NOW = ["backplane_unavailable", "publish_unknown"];

/** Redis keeps what it was told, also in a crash of its machine. */
const EVERY_WRITE = ["--appendonly", "yes", "--appendfsync", "always"];

/** Redis keeps what it was told in a crash of its own process. */
const EVERY_SECOND = ["--appendonly", "yes", "--appendfsync", "everysec"];

const pick = (nodes, random) => nodes[random(nodes.length)];

/**
 * Each has a name and a claim. `fail(stage, { random, ... })` lets something fail and heal, and returns what was wrong meanwhile.
 * - `stage` starts what it happens to, by default a cluster on a Redis that keeps nothing in a crash; `without` says why it cannot run here.
 * - With `loses`, events may be lost: clients must be told of a gap. Otherwise nothing may be lost, and no gap may be told.
 * - `gate` faults are quick, and run in the gate, too. `rounds` is how often it happens at full size.
 * - With `splits`, two primaries may accept events for some time, at the same positions: it is enough if clients are told of a gap at the end.
 * - `padding` is how much longer payloads are; with `evicts`, Redis may remove any event at any time; `slow` adds a client that stops reading.
 */
export const FAULTS = [
  {
    name: "node-killed",
    claim: "a node is killed (kill -9) and started again",
    gate: true,
    rounds: 3,
    fail: async ({ nodes }, { random }) => {
      const node = pick(nodes, random);
      await node.server.kill();
      await delay(500);
      await node.restart();
    },
  },
  {
    name: "node-restarted",
    claim: "all nodes are stopped in order and started again, one after another",
    gate: true,
    fail: async ({ nodes }) => replaceAll(nodes),
  },
  {
    name: "rolling-upgrade",
    claim: "all nodes are replaced by another binary, one after another, and back, and again",
    nodes: 2,
    upgrades: true,
    fail: async ({ nodes }, { previous, present }) => {
      for (const binary of [present, previous, present]) await replaceAll(nodes, binary);
    },
  },
  {
    name: "redis-stopped",
    claim: "Redis stops for a second",
    gate: true,
    stage: onRedis(EVERY_WRITE),
    rounds: 3,
    fail: async ({ redis }) => {
      await redis.kill();
      await delay(1_000);
      await redis.restart();
    },
  },
  {
    name: "redis-stopped-long",
    claim: "Redis stops for 20 seconds, which is longer than publishes wait",
    stage: onRedis(EVERY_WRITE),
    fail: async ({ redis, urls }) => {
      await redis.kill();
      await delay(10_000);
      const problems = await refusesNow(urls, 503, NOT_NOW);
      await delay(10_000);
      await redis.restart();
      return problems;
    },
  },
  {
    name: "redis-killed-everysec",
    claim: "Redis is killed (kill -9), and writes its log to the disk every second",
    stage: onRedis(EVERY_SECOND),
    rounds: 3,
    fail: async ({ redis }) => {
      await redis.kill();
      await redis.restart();
    },
  },
  {
    name: "redis-killed-empty",
    claim: "Redis forgets everything in a crash (kill -9 without persistence)",
    gate: true,
    loses: true,
    rounds: 3,
    fail: async ({ redis }) => {
      await redis.kill();
      await redis.restart();
    },
  },
  {
    name: "redis-flushed",
    claim: "Redis is emptied (FLUSHALL)",
    gate: true,
    loses: true,
    rounds: 3,
    fail: async ({ redis }) => void redis.command("FLUSHALL"),
  },
  {
    name: "redis-flushed-unseen",
    claim: "Redis is emptied (FLUSHALL) while a node is cut off, which has not read the last events",
    loses: true,
    rounds: 2,
    fail: async ({ nodes, redis }, { random }) => {
      const { link } = pick(nodes, random);
      link.cut();
      await delay(1_000);
      redis.command("FLUSHALL");
      await delay(random(1_000));
      link.heal();
    },
  },
  {
    name: "redis-evicts",
    claim: "Redis removes what was not used for the longest time, because its memory is full (allkeys-lru)",
    stage: onRedis(["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"]),
    loses: true,
    evicts: true,
    padding: 2_000,
    fail: () => delay(8_000),
  },
  {
    name: "redis-evicts-anything",
    claim: "Redis removes anything, because its memory is full (allkeys-random)",
    stage: onRedis(["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-random"]),
    loses: true,
    evicts: true,
    padding: 2_000,
    fail: () => delay(8_000),
  },
  {
    name: "redis-memory-full",
    claim: "the memory of Redis is full, and it removes nothing (noeviction)",
    fail: async ({ redis, urls }) => {
      redis.command("CONFIG", "SET", "maxmemory", "1");
      await delay(4_000);
      const problems = await refusesNow(urls, 503, NOT_NOW);
      await delay(2_000);
      redis.command("CONFIG", "SET", "maxmemory", "0");
      return problems;
    },
  },
  {
    name: "redis-disk-full",
    claim: "the disk of Redis is full",
    stage: onSmallDiskOfRedis(EVERY_SECOND),
    without: withoutSmallDisk,
    padding: 500,
    fail: async ({ disk, urls }) => {
      disk.fill();
      await delay(5_000);
      const problems = await refusesNow(urls, 503, NOT_NOW);
      await delay(2_000);
      disk.free();
      return problems;
    },
  },
  {
    name: "failover-ordered",
    claim: "a sentinel lets the primary and its replica change places",
    stage: onSentinel,
    without: withoutSentinel,
    loses: true,
    fail: ({ redis }) => redis.failOver(),
  },
  {
    name: "failover-with-loss",
    claim: "the primary is killed after its replica has missed two seconds of events, and a sentinel promotes the replica",
    stage: onSentinel,
    without: withoutSentinel,
    loses: true,
    fail: async ({ redis }) => {
      redis.lockReplicaOut();
      await delay(2_000);
      await redis.killPrimary();
    },
  },
  {
    name: "failover-unseen",
    claim: "the same, while the process of a node hangs, which has not read those events (SIGSTOP)",
    stage: onSentinel,
    without: withoutSentinel,
    loses: true,
    fail: async ({ nodes, redis }, { random }) => {
      const { server } = pick(nodes, random);
      redis.lockReplicaOut();
      await delay(1_000);
      server.pause();
      await delay(1_000);
      await redis.killPrimary();
      server.resume();
    },
  },
  {
    name: "failover-hang",
    claim: "the process of the primary hangs until a sentinel has promoted the replica, and goes on (SIGSTOP)",
    stage: onSentinel,
    without: withoutSentinel,
    loses: true,
    splits: true,
    fail: ({ redis }) => redis.hangPrimary(),
  },
  {
    name: "split-brain",
    claim: "there are two primaries for some seconds, and a node that was started again is at the other one",
    stage: onSentinel,
    without: withoutSentinel,
    loses: true,
    splits: true,
    fail: async ({ nodes, redis }, { random }) => {
      await redis.isolatePrimary();
      const node = pick(nodes, random);
      await node.server.stop();
      await node.restart();
      await delay(2_000);
      await redis.rejoinPrimary();
    },
  },
  {
    name: "node-hangs",
    claim: "the process of a node hangs for 12 seconds, which is longer than its entry lasts (SIGSTOP)",
    fail: async ({ nodes }, { random }) => {
      const { server } = pick(nodes, random);
      server.pause();
      await delay(12_000);
      server.resume();
    },
  },
  {
    name: "node-partitioned",
    claim: "a node is cut off from Redis, and not from its clients",
    gate: true,
    rounds: 3,
    fail: async ({ nodes }, { random }) => {
      const { link } = pick(nodes, random);
      link.cut();
      await delay(1_500);
      link.heal();
    },
  },
  {
    name: "node-partitioned-long",
    claim: "a node is cut off from Redis for 20 seconds, and not from its clients",
    fail: async ({ nodes }, { random }) => {
      const cut = pick(nodes, random);
      cut.link.cut();
      await delay(10_000);
      const others = nodes.filter((node) => node !== cut).map(({ url }) => url);
      const problems = [...(await refusesNow([cut.url], 503, NOT_NOW)), ...(await answersNow(others))];
      await delay(10_000);
      cut.link.heal();
      return problems;
    },
  },
  {
    name: "nodes-partitioned",
    claim: "nodes are cut off from each other, and not from Redis",
    fail: async ({ nodes, urls }) => {
      nodes.forEach(({ peers }) => peers.cut());
      await delay(5_000);
      const problems = await answersNow(urls);
      nodes.forEach(({ peers }) => peers.heal());
      return problems;
    },
  },
  {
    name: "redis-slow",
    claim: "Redis answers a node 300 milliseconds late",
    fail: async ({ nodes }, { random }) => {
      const { link } = pick(nodes, random);
      link.slow(300);
      await delay(5_000);
      link.heal();
    },
  },
  {
    name: "links-hang",
    claim: "the connections of a node to Redis hang for 12 seconds, with open sockets",
    fail: async ({ nodes }, { random }) => {
      const { link } = pick(nodes, random);
      link.hang();
      await delay(12_000);
      link.heal();
    },
  },
  {
    name: "redis-hangs",
    claim: "Redis hangs for 12 seconds, with open sockets (SIGSTOP)",
    fail: async ({ redis }) => {
      redis.pause();
      await delay(12_000);
      redis.resume();
    },
  },
  {
    name: "connections-killed",
    claim: "all connections to Redis are killed (CLIENT KILL normal and pubsub)",
    gate: true,
    rounds: 5,
    fail: async ({ redis }) => {
      redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
  },
  {
    name: "clock-step",
    claim: "the clock of a node steps 60 seconds ahead, and back",
    stage: withClocks,
    without: withoutFakeTime,
    fail: async ({ nodes, clocks, urls }, { random }) => {
      const number = random(nodes.length);
      await clocks[number].move(60);
      await delay(10_000);
      const problems = await answersNow(urls);
      const named = (from, to) => new RegExp(`refuses the requests that this one forwards.*from=${from}\\b.*to=${to}\\b`);
      const tells = nodes.some(({ name, server }) => nodes.some((other) => named(name, other.name).test(server.output.replaceAll(/\x1b\[\d*m/g, ""))));
      if (!tells) problems.push("no node has told that another one refuses what it forwards");
      await clocks[number].move(0);
      return problems;
    },
  },
  {
    name: "slow-reader",
    claim: "a client stops reading for 20 seconds",
    stage: onRedis([], { SIGNALHUB_HUB__TRANSPORT_MAX_BUFFER_SIZE: "1MiB" }),
    slow: true,
    padding: 2_000,
    fail: async (_stage, { ledgers }) => {
      const { sockets } = ledgers.find((ledger) => ledger.sockets);
      sockets.forEach((socket) => socket.pause());
      await delay(20_000);
      sockets.forEach((socket) => socket.resume());
    },
  },
  {
    name: "disk-full",
    claim: "the disk of the history of one server without a cluster is full",
    stage: aloneOnSmallDisk,
    without: withoutSmallDisk,
    padding: 500,
    rounds: 2,
    fail: async ({ disk, urls }) => {
      disk.fill();
      await delay(6_000);
      const problems = await refusesNow(urls, 503, ["history_unavailable"]);
      disk.free();
      return [...problems, ...(await answersWithin(urls, 15_000))];
    },
  },
].map((fault) => ({ stage: onRedis(), rounds: 1, ...fault, without: withoutCluster || fault.without }));

/** Replaces nodes one after another, by this binary if one is named. */
async function replaceAll(nodes, binary) {
  for (const node of nodes) {
    await node.server.stop();
    await node.restart(binary);
    await node.joined();
  }
}
