// A browser for the tests of a file, and pages that are closed after each test.

import { after, afterEach, before } from "node:test";

import { launch, missing, open } from "./browser.js";
import { Gateway } from "./gateway.js";

/** Starts a browser and runs features in pages of any origin; without Chromium the tests are skipped. */
export function withBrowser(bundle) {
  const ending = [];
  const stage = { browser: undefined };
  before(async () => {
    if (!missing) stage.browser = await launch();
  });
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end();
  });
  after(() => stage.browser?.close());

  /** Ends this after the test. */
  stage.ending = (end) => ending.push(end);

  /** Opens a gateway until the end of the test. */
  stage.gateway = async (settings) => {
    const gateway = await Gateway.open({ bundle, ...settings });
    ending.push(() => gateway.close());
    return gateway;
  };

  /** Opens the page of an origin, in which `publish` publishes to this server. */
  stage.page = async (url, server) => {
    const page = await open(stage.browser, url);
    ending.push(() => page.context().close());
    if (server) await page.exposeFunction("publish", (event) => server.publish(event));
    return page;
  };

  /** Calls a function of a module of features in the page, with the official client of the page. */
  stage.run = (page, module, name, settings) =>
    page.evaluate(
      async ([module, name, settings]) => {
        const features = await import(`/features/${module}.js`);
        await features[name](window.signalR, { ...settings, publish: window.publish });
      },
      [module, name, settings],
    );
  return stage;
}
