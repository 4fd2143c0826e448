// The faults at full size, for `cargo xtask faults`: prints what it has counted as a part of docs/fault-report.md.
//
// report.js --list
// report.js NAME --seed N [--previous FILE] [--client TITLE FOLDER PROGRAM ARGUMENT...]...

import { javascript } from "../kills/javascript.js";
import { programs } from "../kills/programs.js";
import { libraries } from "../support/libraries.js";
import { built } from "../support/program.js";
import { TRANSPORTS, connectAll } from "./transports.js";
import { javascriptCrowd } from "./crowds.js";
import { FAULTS } from "./faults.js";
import { run } from "./run.js";
import { sleeper } from "./sleeper.js";
import { wrongs } from "./verify.js";

const NODES = 3;

/** No fault takes longer, in milliseconds. */
const LONGEST = 8 * 60_000;

const COLUMNS = ["owed", "delivered", "excused", "lost", "doubled", "unordered", "foreign", "again", "gaps", "reconnects"];

const row = (cells) => `| ${cells.join(" | ")} |`;

function table({ clients }) {
  const titles = ["client", "owed", "delivered", "in a gap", "lost", "doubled", "out of order", "foreign", "again after a gap", "gaps told", "reconnects"];
  return [row(titles), `|${"---|".repeat(titles.length)}`, ...clients.map((client) => row([client.title, ...COLUMNS.map((name) => client[name])]))];
}

const { options, clients: spawned, crowds } = programs(process.argv.slice(2));
if (options[0] === "--list") {
  [TRANSPORTS, ...FAULTS].forEach(({ name, claim }) => console.log(`${name}\t${claim}`));
  process.exit(0);
}
const value = (name) => (options.includes(name) ? options[options.indexOf(name) + 1] : undefined);
if (options[0] === TRANSPORTS.name) process.exit((await connectAll([javascriptCrowd(libraries.at(-1)), ...crowds])) ? 0 : 1);
const fault = FAULTS.find(({ name }) => name === options[0]);
if (!fault) throw new Error(`there is no fault ${options[0]}`);
if (fault.without) {
  console.log(`${fault.without.startsWith("not run") ? fault.without.replace("not run", "Not run") : `Not run: ${fault.without}`}.`);
  process.exit(0);
}
setTimeout(() => {
  console.error(`${fault.name} has not ended after ${LONGEST / 1_000} s`);
  process.exit(1);
}, LONGEST).unref();
const present = built("signalhub", "SIGNALHUB_BINARY");
const previous = value("--previous") ?? present;
const library = libraries.at(-1);
const clients = [...javascript(library), ...spawned, ...(fault.slow ? [sleeper(library)] : [])];
const nodes = fault.nodes ?? NODES;
const begun = performance.now();
const result = await run({ fault, clients, nodes, rounds: fault.rounds, seed: Number(value("--seed")), previous, present });
const facts = [
  `${result.published} events accepted, ${result.repeated} of them after a repeat`,
  ...(fault.rounds > 1 ? [`${fault.rounds} times`] : []),
  ...(fault.upgrades ? [value("--previous") ? "the earlier binary was another file" : "both binaries are the same file, because no earlier one was named"] : []),
  `${Math.round((performance.now() - begun) / 1_000)} s`,
];
console.log(`${facts.join("; ")}.\n\n${table(result).join("\n")}`);
const wrong = wrongs(fault, result);
wrong.slice(0, 20).forEach((problem) => console.log(`\n**Wrong**: ${problem}.`));
process.exit(wrong.length > 0 ? 1 : 0);
