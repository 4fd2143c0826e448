// Clients that are programs of their own, as words of a command line.

import { spawned } from "./ledger.js";

/** Reads `OPTION... [--client TITLE FOLDER PROGRAM ARGUMENT...]...`: the options, and for each client a function that starts it at a URL. */
export function programs(words) {
  const at = words.indexOf("--client");
  const [options, rest] = at < 0 ? [words, []] : [words.slice(0, at), words.slice(at)];
  const clients = [];
  for (const word of rest) {
    if (word === "--client") clients.push([]);
    else clients.at(-1).push(word);
  }
  return { options, clients: clients.map(([title, folder, ...command]) => (url) => spawned(url, { title, folder, command })) };
}
