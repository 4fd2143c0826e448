// Clients that are programs of their own, as words of a command line.

import { spawnedCrowd } from "../cluster/crowds.js";
import { spawned } from "./ledger.js";

const KINDS = ["--client", "--crowd"];

/**
 * Reads `OPTION... [--client|--crowd TITLE FOLDER PROGRAM ARGUMENT...]...`: the options, for each client a function that starts it at a
 * URL, and the crowds.
 */
export function programs(words) {
  const at = words.findIndex((word) => KINDS.includes(word));
  const [options, rest] = at < 0 ? [words, []] : [words.slice(0, at), words.slice(at)];
  const programs = [];
  for (const word of rest) {
    if (KINDS.includes(word)) programs.push([word]);
    else programs.at(-1).push(word);
  }
  const of = (kind) => programs.filter(([word]) => word === kind).map(([, title, folder, ...command]) => ({ title, folder, command }));
  return { options, clients: of("--client").map((program) => (url) => spawned(url, program)), crowds: of("--crowd").map(spawnedCrowd) };
}
