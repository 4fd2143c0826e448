// The kill suite at full size, for `cargo xtask faults`: prints what it has counted as a part of docs/fault-report.md.
//
// faults.js --kills N --seed N [--client TITLE FOLDER PROGRAM ARGUMENT...]...

import { libraries } from "../support/libraries.js";
import { javascript } from "./javascript.js";
import { programs } from "./programs.js";
import { run } from "./run.js";

/** Short lives, in which not every client comes back, and longer ones. */
const pause = (random) => (random(3) === 0 ? random(150) : 300 + random(4_000));

const row = (cells) => `| ${cells.join(" | ")} |`;

function table({ clients, ...run }) {
  const lines = [
    "| | |",
    "|---|---|",
    row(["seed", run.seed]),
    row(["`kill -9` and restart on the same directory", run.kills]),
    row(["events published and answered with 202", run.published]),
    row(["of them with `wait=durable`", run.durable]),
    row(["requests that publishers sent for them", run.sent]),
    row(["events whose request was repeated with its key, because the answer was lost", run.repeated]),
    row(["of them recognised, because they were stored before the kill", run.recognised]),
    row(["answered events that are not in `GET /api/v1/history` once, at their position; holes; forgotten keys", run.problems.length]),
    "",
    "| client | events owed | delivered | lost | doubled | out of order | foreign | gaps |",
    "|---|---|---|---|---|---|---|---|",
    ...clients.map(({ title, owed, delivered, lost, doubled, unordered, foreign, gaps }) =>
      row([title, owed, delivered, lost, doubled, unordered, foreign, gaps]),
    ),
  ];
  return lines.join("\n");
}

const { options, clients: spawned } = programs(process.argv.slice(2));
const value = (name) => Number(options[options.indexOf(name) + 1]);
const clients = [...javascript(libraries.at(-1)), ...spawned];
const result = await run({ kills: value("--kills"), seed: value("--seed"), clients, pause, say: (line) => console.error(line) });
console.log(table(result));
result.problems.slice(0, 20).forEach((problem) => console.error(problem));
result.late.forEach((title) => console.error(`${title} has not got the last events`));
const wrong = ({ lost, doubled, unordered, foreign, gaps }) => lost + doubled + unordered + foreign + gaps > 0;
process.exitCode = result.problems.length > 0 || result.late.length > 0 || result.clients.some(wrong) ? 1 : 0;
