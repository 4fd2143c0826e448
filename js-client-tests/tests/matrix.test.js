// Every feature in every runtime, over every transport, in every protocol that it carries.

import { after, before, describe, it } from "node:test";

import { claims, run } from "../features/index.js";
import { launch, missing, open } from "../support/browser.js";
import { Gateway } from "../support/gateway.js";
import { libraries } from "../support/libraries.js";
import { startConformanceServer } from "../support/program.js";

/** The transports with their protocols; event streams carry text alone. */
const WAYS = [
  { transport: "WebSockets", protocol: "json" },
  { transport: "WebSockets", protocol: "messagepack" },
  { transport: "ServerSentEvents", protocol: "json" },
  { transport: "LongPolling", protocol: "json" },
  { transport: "LongPolling", protocol: "messagepack" },
];

/** How many features passed, by runtime, transport and protocol. */
const passed = new Map();

const nameOf = ({ transport, protocol }) => `${transport}, ${protocol}`;

function claimEach(runtime, way, attempt) {
  const cell = `${runtime} ${nameOf(way)}`;
  for (const claim of claims) {
    it(claim, async () => {
      await attempt(claim);
      passed.set(cell, (passed.get(cell) ?? 0) + 1);
    });
  }
}

function table() {
  const lines = [["", "Node", "Chromium"], ["-", "-", "-"]];
  for (const way of WAYS) {
    const cells = ["Node", "Chromium"].map((runtime) => {
      if (runtime === "Chromium" && missing) return "not run";
      return `${passed.get(`${runtime} ${nameOf(way)}`) ?? 0} of ${claims.length * libraries.length}`;
    });
    lines.push([nameOf(way), ...cells]);
  }
  return lines.map(([name, ...cells]) => `| ${name.padEnd(24)} | ${cells.map((cell) => cell.padEnd(9)).join(" | ")} |`).join("\n");
}

/** The features of a cell run one after another, beside those of the other cells. */
const IN_ORDER = { concurrency: 1 };

describe("the matrix", { concurrency: 6 }, () => {
  let server;
  let browser;
  before(async () => {
    [server, browser] = await Promise.all([startConformanceServer(), missing ? undefined : launch()]);
  });
  after(async () => {
    await browser?.close();
    await server.stop("SIGINT");
    console.log(table());
  });

  for (const { version, signalR, bundle } of libraries) {
    for (const way of WAYS) {
      describe(`${nameOf(way)} in Node (@microsoft/signalr ${version})`, IN_ORDER, () => {
        claimEach("Node", way, (claim) => run(signalR, claim, { url: server.url, ...way }));
      });
      describe(`${nameOf(way)} in Chromium (@microsoft/signalr ${version})`, { ...IN_ORDER, skip: missing }, () => {
        let gateway;
        let page;
        before(async () => {
          gateway = await Gateway.open({ bundle, hub: server.url });
          page = await open(browser, gateway.url);
        });
        after(() => gateway.close());
        claimEach("Chromium", way, (claim) =>
          page.evaluate(async ([claim, way]) => {
            const { run } = await import("/features/index.js");
            await run(window.signalR, claim, { url: location.origin, ...way });
          }, [claim, way]),
        );
      });
    }
  }
});
