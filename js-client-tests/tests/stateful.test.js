// Stateful reconnect with the official client: its WebSocket is cut again and again, and nothing is lost or doubled.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { broken, unbroken } from "../features/stateful.js";
import { launch, missing, open } from "../support/browser.js";
import { CUTS, Cutter } from "../support/cutter.js";
import { Gateway } from "../support/gateway.js";
import { libraries } from "../support/libraries.js";
import { startConformanceServer } from "../support/program.js";

/** How often a connection is cut. */
const ROUNDS = 100;

const PROTOCOLS = ["json", "messagepack"];

/** What was cut and survived, for the table. */
const rows = [];

for (const { version, signalR, bundle } of libraries) {
  describe(`stateful reconnect (@microsoft/signalr ${version})`, { concurrency: 6 }, () => {
    let server;
    let browser;
    before(async () => {
      [server, browser] = await Promise.all([startConformanceServer(), missing ? undefined : launch()]);
    });
    after(async () => {
      await browser?.close();
      await server.stop("SIGINT");
      const lines = [["", "rounds", ...CUTS], Array(2 + CUTS.length).fill("-"), ...rows];
      console.log(lines.map((cells) => `| ${cells.map((cell) => String(cell).padEnd(20)).join(" | ")} |`).join("\n"));
    });

    const cutter = async (t, upstream) => {
      const opened = await Cutter.open(upstream);
      t.after(() => opened.close());
      return opened;
    };
    const survived = (name, { made }) => {
      rows.push([name, ROUNDS, ...CUTS.map((cut) => made[cut])]);
      assert.equal(Object.values(made).reduce((sum, count) => sum + count), ROUNDS, "the network broke in every round");
    };

    for (const protocol of PROTOCOLS) {
      const transport = "WebSockets";
      it(`nothing is lost or doubled in Node, ${protocol}`, async (t) => {
        const network = await cutter(t, server.url);
        const arm = (round) => network.arm(round);
        await unbroken(signalR, { url: network.url, transport, protocol, rounds: ROUNDS, arm });
        survived(`Node ${protocol}`, network);
      });

      it(`nothing is lost or doubled in Chromium, ${protocol}`, { skip: missing }, async (t) => {
        const gateway = await Gateway.open({ bundle, hub: server.url });
        t.after(() => gateway.close());
        const network = await cutter(t, gateway.url);
        const page = await open(browser, network.url);
        t.after(() => page.context().close());
        await page.exposeFunction("arm", (round) => network.arm(round));
        await page.evaluate(
          async (settings) => {
            const { unbroken } = await import("/features/stateful.js");
            await unbroken(window.signalR, { ...settings, url: location.origin, arm: window.arm });
          },
          { transport, protocol, rounds: ROUNDS },
        );
        survived(`Chromium ${protocol}`, network);
      });

      it(`without the option calls are lost, ${protocol}`, async (t) => {
        for (const number of CUTS.keys()) {
          const network = await cutter(t, server.url);
          const lost = await broken(signalR, { url: network.url, transport, protocol, arm: () => network.arm(number) });
          assert.ok(lost > 0, `${CUTS[number]}: ${lost} calls lost`);
        }
      });
    }
  });
}
