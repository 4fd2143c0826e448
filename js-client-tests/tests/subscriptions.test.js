// Subscriptions, filters and grants in every runtime, over every transport, in every protocol that it carries.

import { after, before, describe, it } from "node:test";

import { CHANGED } from "../features/events.js";
import { MARKER } from "../features/listener.js";
import { claims, run } from "../features/subscriptions.js";
import { launch, missing, open } from "../support/browser.js";
import { Gateway } from "../support/gateway.js";
import { libraries } from "../support/libraries.js";
import { Tally, WAYS, nameOf } from "../support/matrix.js";
import { Server } from "../support/server.js";
import { token } from "../support/token.js";

const TICKS = [{ e: CHANGED, r: "tick*", a: ["created", "deleted"] }, { e: CHANGED, r: MARKER }];

/** The place of a cell: no other cell uses its organisations. */
function placeOf(cell) {
  const [org, otherOrg] = [cell, `${cell}, other`];
  const tokens = { whole: token({ org }), ticks: token({ org, grants: TICKS }), other: token({ org: otherOrg }) };
  return { org, otherOrg, tokens };
}

/** The features of a cell run one after another, beside those of the other cells. */
const IN_ORDER = { concurrency: 1 };

describe("the matrix of subscriptions", { concurrency: 6 }, () => {
  const tally = new Tally(claims.length * libraries.length);
  let server;
  let browser;
  before(async () => {
    [server, browser] = await Promise.all([Server.start(), missing ? undefined : launch()]);
  });
  after(async () => {
    await browser?.close();
    await server.stop();
    console.log(tally.table());
  });

  for (const { version, signalR, bundle } of libraries) {
    for (const way of WAYS) {
      describe(`${nameOf(way)} in Node (@microsoft/signalr ${version})`, IN_ORDER, () => {
        const publish = (event) => server.publish(event);
        const place = { ...way, ...placeOf(`Node, ${nameOf(way)}, ${version}`), publish };
        tally.claimEach(it, claims, "Node", way, (claim) => run(signalR, claim, { url: server.hub, ...place }));
      });
      describe(`${nameOf(way)} in Chromium (@microsoft/signalr ${version})`, { ...IN_ORDER, skip: missing }, () => {
        const place = { ...way, ...placeOf(`Chromium, ${nameOf(way)}, ${version}`) };
        let gateway;
        let page;
        before(async () => {
          gateway = await Gateway.open({ bundle, hub: server.url });
          page = await open(browser, gateway.url);
          await page.exposeFunction("publish", (event) => server.publish(event));
        });
        after(() => gateway.close());
        tally.claimEach(it, claims, "Chromium", way, (claim) =>
          page.evaluate(async ([claim, place]) => {
            const { run } = await import("/features/subscriptions.js");
            await run(window.signalR, claim, { url: location.origin + "/signalr/v1/mainHub", ...place, publish: window.publish });
          }, [claim, place]),
        );
      });
    }
  }
});
