// The faults of a cluster at full size, for `cargo xtask faults`: prints what it has counted as a part of docs/fault-report.md.
//
// report.js [--client TITLE FOLDER PROGRAM ARGUMENT...]...

import { programs } from "../kills/programs.js";
import { javascript } from "../kills/javascript.js";
import { withoutCluster } from "../support/cluster.js";
import { libraries } from "../support/libraries.js";
import { FAULTS } from "./faults.js";
import { run } from "./run.js";

const NODES = 3;

const row = (cells) => `| ${cells.join(" | ")} |`;
const sum = (clients, name) => clients.reduce((all, client) => all + (client[name] ?? 0), 0);

if (withoutCluster) {
  console.log(`Not run: ${withoutCluster}.`);
  process.exit(0);
}
const { clients: spawned } = programs(process.argv.slice(2));
const clients = [...javascript(libraries.at(-1)), ...spawned];
console.log(`${NODES} nodes, ${clients.length} clients of all kinds.\n`);
console.log(row(["fault", "published", "owed", "delivered", "lost", "doubled", "out of order", "gaps told", "problems"]));
console.log("|---|---|---|---|---|---|---|---|---|");
for (const fault of FAULTS) {
  const { problems, late, clients: ledgers, published } = await run({ nodes: NODES, fault, clients });
  const counted = ["owed", "delivered", "lost", "doubled", "unordered"].map((name) => (fault.loses ? "–" : sum(ledgers, name)));
  console.log(row([fault.claim, published, ...counted, sum(ledgers, "gaps"), problems.length + late.length]));
  [...problems.slice(0, 20), ...late.map((title) => `${title} has not got the last events`)].forEach((text) => console.error(`${fault.claim}: ${text}`));
  const wrong = problems.length + late.length + (fault.loses ? 0 : ["lost", "doubled", "unordered", "foreign", "gaps"].reduce((all, name) => all + sum(ledgers, name), 0));
  if (wrong > 0) process.exitCode = 1;
}
