// Every feature in every runtime, over every transport, in every protocol that it carries.

import { after, before, describe, it } from "node:test";

import { claims, run } from "../features/index.js";
import { launch, missing, open } from "../support/browser.js";
import { Gateway } from "../support/gateway.js";
import { libraries } from "../support/libraries.js";
import { Tally, WAYS, nameOf } from "../support/matrix.js";
import { startConformanceServer } from "../support/program.js";

/** The features of a cell run one after another, beside those of the other cells. */
const IN_ORDER = { concurrency: 1 };

describe("the matrix", { concurrency: 6 }, () => {
  const tally = new Tally(claims.length * libraries.length);
  let server;
  let browser;
  before(async () => {
    [server, browser] = await Promise.all([startConformanceServer(), missing ? undefined : launch()]);
  });
  after(async () => {
    await browser?.close();
    await server.stop("SIGINT");
    console.log(tally.table());
  });

  for (const { version, signalR, bundle } of libraries) {
    for (const way of WAYS) {
      describe(`${nameOf(way)} in Node (@microsoft/signalr ${version})`, IN_ORDER, () => {
        tally.claimEach(it, claims, "Node", way, (claim) => run(signalR, claim, { url: server.url, ...way }));
      });
      describe(`${nameOf(way)} in Chromium (@microsoft/signalr ${version})`, { ...IN_ORDER, skip: missing }, () => {
        let gateway;
        let page;
        before(async () => {
          gateway = await Gateway.open({ bundle, hub: server.url });
          page = await open(browser, gateway.url);
        });
        after(() => gateway.close());
        tally.claimEach(it, claims, "Chromium", way, (claim) =>
          page.evaluate(async ([claim, way]) => {
            const { run } = await import("/features/index.js");
            await run(window.signalR, claim, { url: location.origin, ...way });
          }, [claim, way]),
        );
      });
    }
  }
});
