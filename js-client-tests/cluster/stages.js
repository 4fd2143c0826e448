// What a fault happens to: the nodes, and what they keep their events in.

import { settings as kept } from "../kills/events.js";
import { Alone } from "../support/alone.js";
import { Cluster } from "../support/cluster.js";
import { FakeClock } from "../support/fake-time.js";
import { Redis, Sentinel } from "../support/redis.js";
import { SmallDisk } from "../support/small-disk.js";

/** The settings of nodes that accept the events of the suite, and keep all of them in Redis. */
function settings() {
  const { SIGNALHUB_HISTORY__STORE: _store, SIGNALHUB_HISTORY__DIRECTORY: _directory, ...others } = kept("");
  return others;
}

/** A cluster on a Redis with these arguments. */
export const onRedis = (redis = [], more = {}) => ({ nodes, previous }) =>
  Cluster.start({ nodes, binary: previous, settings: { ...settings(), ...more }, startRedis: () => Redis.start(redis) });

/** A cluster on a primary that has a replica and a sentinel. */
export const onSentinel = ({ nodes }) => Cluster.start({ nodes, settings: settings(), startRedis: () => Sentinel.start() });

/** A cluster on a Redis with these arguments, whose files are on a small disk. */
export const onSmallDiskOfRedis = (redis) => async ({ nodes }) => {
  const disk = await SmallDisk.open(96);
  const startRedis = () => Redis.start(redis, disk.folder);
  return withDisk(disk, Cluster.start({ nodes, settings: settings(), startRedis }));
};

/** One server without a cluster, whose history is on a small disk. */
export const aloneOnSmallDisk = async () => {
  const disk = await SmallDisk.open(96);
  return withDisk(disk, Alone.start(kept(`${disk.folder}/history`)));
};

/** A cluster whose nodes have clocks of their own. */
export const withClocks = async ({ nodes }) => {
  const clocks = await Promise.all(Array.from({ length: nodes }, () => FakeClock.open()));
  const cluster = await Cluster.start({ nodes, settings: settings(), settingsOf: (number) => clocks[number].variables });
  cluster.clocks = clocks;
  cluster.afterwards.push(...clocks.map((clock) => () => clock.close()));
  return cluster;
};

async function withDisk(disk, starting) {
  try {
    const stage = await starting;
    stage.disk = disk;
    stage.afterwards.push(() => disk.close());
    return stage;
  } catch (error) {
    await disk.close();
    throw error;
  }
}
