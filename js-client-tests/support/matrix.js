// The cells of a matrix of transports, protocols and runtimes, and how much passed in each.

import { missing } from "./browser.js";

/** The transports with their protocols; event streams carry text alone. */
export const WAYS = [
  { transport: "WebSockets", protocol: "json" },
  { transport: "WebSockets", protocol: "messagepack" },
  { transport: "ServerSentEvents", protocol: "json" },
  { transport: "LongPolling", protocol: "json" },
  { transport: "LongPolling", protocol: "messagepack" },
];

export const nameOf = ({ transport, protocol }) => `${transport}, ${protocol}`;

/** Counts what passed, by runtime, transport and protocol. */
export class Tally {
  #passed = new Map();
  #each;

  /** `each` is how much there is in a cell. */
  constructor(each) {
    this.#each = each;
  }

  /** Makes a test (`it`) of each claim of a cell. */
  claimEach(it, claims, runtime, way, attempt) {
    const cell = `${runtime} ${nameOf(way)}`;
    for (const claim of claims) {
      it(claim, async () => {
        await attempt(claim);
        this.#passed.set(cell, (this.#passed.get(cell) ?? 0) + 1);
      });
    }
  }

  table() {
    const lines = [["", "Node", "Chromium"], ["-", "-", "-"]];
    for (const way of WAYS) {
      const cells = ["Node", "Chromium"].map((runtime) => {
        if (runtime === "Chromium" && missing) return "not run";
        return `${this.#passed.get(`${runtime} ${nameOf(way)}`) ?? 0} of ${this.#each}`;
      });
      lines.push([nameOf(way), ...cells]);
    }
    return lines.map(([name, ...cells]) => `| ${name.padEnd(24)} | ${cells.map((cell) => cell.padEnd(9)).join(" | ")} |`).join("\n");
  }
}
