// Official clients connect over TLS, and come back after a restart.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { launch, missing, open } from "../support/browser.js";
import { Certificate, withoutOpenssl } from "../support/certificate.js";
import { Gateway } from "../support/gateway.js";
import { libraries, oldest } from "../support/libraries.js";
import { Tally, WAYS, nameOf } from "../support/matrix.js";
import { NodeProcess } from "../support/node-process.js";
import { SETTING_OF_ORIGINS, Server } from "../support/server.js";
import { token } from "../support/token.js";

/** What each client does over TLS: the module and the name of the function. */
const CLAIMS = new Map([
  ["receives an event", ["portos", "hear"]],
  ["comes back after a restart", ["restarts", "comesBack"]],
]);

describe("over TLS", { concurrency: 6, skip: withoutOpenssl }, () => {
  const tally = new Tally(CLAIMS.size * libraries.length);
  let certificate;
  let node;
  let browser;
  before(async () => {
    certificate = new Certificate();
    node = new NodeProcess(certificate.chain);
    if (!missing) browser = await launch([`--ignore-certificate-errors-spki-list=${certificate.spkiHash}`]);
  });
  after(async () => {
    await browser?.close();
    await node.stop();
    certificate.remove();
    console.log(`Over TLS:\n${tally.table()}`);
  });

  /** Starts a server for pages of this origin, and what a feature does with it. */
  const started = async (origin) => {
    const settings = { ...certificate.settings, [SETTING_OF_ORIGINS]: origin };
    let server = await Server.start("127.0.0.1:0", settings);
    const exposed = {
      publish: (event) => server.publish(event),
      restart: async () => {
        assert.equal(await server.stop(), 0);
        server = await Server.start(new URL(server.url).host, settings);
      },
    };
    // To a name, because a client warns of addresses.
    return { url: server.hub.replace("127.0.0.1", "localhost"), exposed, stop: () => server.stop() };
  };

  /** Runs a claim in the Node process. */
  const inNode = async (version, claim, way) => {
    const { url, exposed, stop } = await started();
    try {
      await node.run(version, ...CLAIMS.get(claim), { url, token: token(), ...way }, exposed);
    } finally {
      await stop();
    }
  };

  for (const { version, bundle } of libraries) {
    for (const way of WAYS) {
      describe(`${nameOf(way)} in Node (@microsoft/signalr ${version})`, () => {
        tally.claimEach(it, CLAIMS.keys(), "Node", way, (claim) => inNode(version, claim, way));
      });
      describe(`${nameOf(way)} in Chromium (@microsoft/signalr ${version})`, { skip: missing }, () => {
        tally.claimEach(it, CLAIMS.keys(), "Chromium", way, async (claim) => {
          const gateway = await Gateway.open({ bundle });
          const { url, exposed, stop } = await started(gateway.url);
          const page = await open(browser, gateway.url);
          try {
            for (const [name, call] of Object.entries(exposed)) await page.exposeFunction(name, call);
            await page.evaluate(async ([[module, name], settings]) => {
              const features = await import(`/features/${module}.js`);
              await features[name](window.signalR, { ...settings, publish: window.publish, restart: window.restart });
            }, [CLAIMS.get(claim), { url, token: token(), ...way }]);
          } finally {
            await page.context().close();
            await gateway.close();
            await stop();
          }
        });
      });
    }
  }

  describe(`in Node (@microsoft/signalr ${oldest.version})`, () => {
    for (const way of WAYS.filter(({ protocol }) => protocol === "json")) {
      for (const claim of CLAIMS.keys()) it(`${claim} over ${way.transport}`, () => inNode(oldest.version, claim, way));
    }
  });
});
