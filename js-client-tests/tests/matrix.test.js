// Every feature in every runtime over every transport.

import { after, before, describe, it } from "node:test";

import { claims, run } from "../features/index.js";
import { launch, missing, open } from "../support/browser.js";
import { Gateway } from "../support/gateway.js";
import { libraries } from "../support/libraries.js";
import { startConformanceServer } from "../support/program.js";

const TRANSPORTS = ["WebSockets", "ServerSentEvents", "LongPolling"];

/** How many features passed, by runtime and transport. */
const passed = new Map();

function claimEach(runtime, transport, attempt) {
  const cell = `${runtime} ${transport}`;
  for (const claim of claims) {
    it(claim, async () => {
      await attempt(claim);
      passed.set(cell, (passed.get(cell) ?? 0) + 1);
    });
  }
}

function table() {
  const lines = [["", "Node", "Chromium"], ["-", "-", "-"]];
  for (const transport of TRANSPORTS) {
    const cells = ["Node", "Chromium"].map((runtime) => {
      if (runtime === "Chromium" && missing) return "not run";
      return `${passed.get(`${runtime} ${transport}`) ?? 0} of ${claims.length * libraries.length}`;
    });
    lines.push([transport, ...cells]);
  }
  return lines.map(([name, ...cells]) => `| ${name.padEnd(16)} | ${cells.map((cell) => cell.padEnd(9)).join(" | ")} |`).join("\n");
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
    for (const transport of TRANSPORTS) {
      describe(`${transport} in Node (@microsoft/signalr ${version})`, IN_ORDER, () => {
        claimEach("Node", transport, (claim) => run(signalR, claim, { url: server.url, transport }));
      });
      describe(`${transport} in Chromium (@microsoft/signalr ${version})`, { ...IN_ORDER, skip: missing }, () => {
        let gateway;
        let page;
        before(async () => {
          gateway = await Gateway.open({ bundle, hub: server.url });
          page = await open(browser, gateway.url);
        });
        after(() => gateway.close());
        claimEach("Chromium", transport, (claim) =>
          page.evaluate(async ([claim, transport]) => {
            const { run } = await import("/features/index.js");
            await run(window.signalR, claim, { url: location.origin, transport });
          }, [claim, transport]),
        );
      });
    }
  }
});
