// Connections without sticky sessions at full size, for `cargo xtask faults`.

import { Cluster, withoutCluster } from "../support/cluster.js";
import { round } from "./crowds.js";

/** The part of the report. */
export const TRANSPORTS = { name: "transports", claim: "nothing, but each request of a client goes to a random node (200 connects in each way)" };

const ROUNDS = 10;
const SIZE = { clients: 20, events: 10 };

const row = (cells) => `| ${cells.join(" | ")} |`;

/** Connects all crowds in each of their ways, prints a table, and returns whether each client got each event once and in order. */
export async function connectAll(crowds) {
  if (withoutCluster) {
    console.log(`${withoutCluster.replace("not run", "Not run")}.`);
    return true;
  }
  const cluster = await Cluster.start({ random: true });
  let wrong = 0;
  try {
    console.log(`Two nodes, ${ROUNDS} times ${SIZE.clients} clients in each way; each client gets ${SIZE.events} events, published at the nodes in turn.\n`);
    const titles = ["client", "connects", "with all events, once and in order", "requests forwarded", "forwards failed"];
    console.log(`${row(titles)}\n|${"---|".repeat(titles.length)}`);
    for (const crowd of crowds) wrong += await connect(cluster, crowd);
  } finally {
    await cluster.stop();
  }
  return wrong === 0;
}

async function connect(cluster, { title, start }) {
  const crowd = await start(cluster.url);
  let problems = 0;
  for (const [way, name] of crowd.ways.entries()) {
    const sum = { wrong: 0, forwards: 0, failures: 0 };
    for (let number = 0; number < ROUNDS; number++) {
      const { wrong, forwards, failures } = await round(cluster, crowd, way, SIZE);
      sum.wrong += wrong.length;
      sum.forwards += forwards;
      sum.failures += failures;
      wrong.slice(0, 3).forEach((numbers) => console.error(`${title}: ${name}: got ${numbers}`));
    }
    const connects = ROUNDS * SIZE.clients;
    console.log(row([`${title}: ${name}`, connects, connects - sum.wrong, sum.forwards, sum.failures]));
    problems += sum.wrong + sum.failures;
  }
  await crowd.stop();
  return problems;
}
