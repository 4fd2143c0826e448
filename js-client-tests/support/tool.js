// Command-line tools of others, which talk to the binary.

import { spawn, spawnSync } from "node:child_process";

/** Why tests with this tool are skipped, or false. */
export const without = (name, version = "--version") =>
  spawnSync(name, [version]).status !== 0 && `${name} is missing: apt-get install ${name}`;

/**
 * Runs a tool, and returns all that it printed. Each of `lines` is a pattern and what is typed once that was printed; without
 * more of them, its input ends.
 */
export function output(name, args, lines = []) {
  const child = spawn(name, args, { stdio: ["pipe", "pipe", "pipe"] });
  const waiting = [...lines];
  let printed = "";
  const type = () => {
    while (waiting.length > 0 && waiting[0][0].test(printed)) child.stdin.write(waiting.shift()[1] + "\n");
  };
  // The tool may have ended before its input is closed.
  child.stdin.on("error", () => {});
  if (lines.length === 0) child.stdin.end();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece) => {
      printed += piece;
      type();
    });
  }
  return new Promise((resolve, reject) => child.once("error", reject).once("close", () => resolve(printed)));
}
