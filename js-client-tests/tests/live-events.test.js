// The page of examples/live-events, as a new user opens it: served by any file server, beside a signalhub server in development mode.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { missing } from "../support/browser.js";
import { changed, licence } from "../features/events.js";
import { libraries } from "../support/libraries.js";
import { SETTING_OF_ORIGINS, Server } from "../support/server.js";
import { withBrowser } from "../support/stage.js";
import { token } from "../support/token.js";

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const { bundle } = libraries[0];

describe("the page of live events", { skip: missing }, () => {
  const stage = withBrowser(bundle);

  const site = () =>
    stage.gateway({ folders: { "/": EXAMPLES, "/live-events/node_modules/@microsoft/signalr/dist/browser/": bundle } });
  const open = ({ url }, fields) => stage.page(`${url}/live-events/index.html#${new URLSearchParams(fields)}`);

  /** The page with these fields in its address, and the server, whose token is the one that it printed. */
  const opened = async (fields = {}) => {
    // The key is only for publishing from here: the token is made by the server, as in development.
    const server = await Server.start(undefined, { SIGNALHUB_AUTH__SECRET: undefined });
    stage.ending(() => server.stop());
    const page = await open(await site(), { server: server.url, token: await server.printedToken(), ...fields });
    return { server, page };
  };

  /** The page, listening to tickets at a server with these settings, which can be restarted. */
  const listening = async (settings) => {
    const pages = await site();
    const start = async (listen) => {
      // As in a deployment: the tokens of development end with the process.
      const server = await Server.start(listen, { [SETTING_OF_ORIGINS]: pages.url, ...settings });
      stage.ending(() => server.stop());
      return server;
    };
    const server = await start();
    const page = await open(pages, { server: server.url, token: token(), resource: "tickets" });
    await page.click("#connect");
    await says(page, "listening for portos.resources.changed");
    return { page, server, restarted: () => start(new URL(server.url).host) };
  };
  const ticket = (id) => changed("tickets", 2, { id });
  const says = (page, text) => page.waitForFunction((text) => document.getElementById("state").textContent === text, text);
  const shown = async (page, count) => {
    await page.waitForFunction((count) => document.querySelectorAll("#events li").length === count, count);
    return page.locator("#events .name").allTextContents();
  };

  it("shows changes as they arrive, the newest first, and what is in them", async () => {
    const { server, page } = await opened();
    await page.click("#connect");
    await says(page, "listening for portos.resources.changed");
    await server.publish(changed("tickets", 1, { id: "<b>1</b>" }));
    await server.publish(changed("devices", 3, { id: "2" }));
    assert.deepEqual(await shown(page, 2), ["devices deleted 2", "tickets created <b>1</b>"]);
    await page.locator("#events summary").first().click();
    assert.match(await page.locator("#events pre").first().textContent(), /"n": "devices"/);
    await page.click("#clear");
    assert.deepEqual(await shown(page, 0), []);
  });

  it("cuts what is very long, and keeps long lines within the window", async () => {
    const { server, page } = await opened();
    await page.click("#connect");
    await says(page, "listening for portos.resources.changed");
    const event = changed("tickets", 1);
    event.p.r = [{ note: "x".repeat(100_000) }];
    await server.publish(event);
    await shown(page, 1);
    await page.locator("#events summary").click();
    const text = await page.locator("#events pre").textContent();
    assert.match(text, /… \d+ more characters$/);
    assert.ok(text.length < 21_000, `${text.length}`);
    const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }));
    assert.ok(wide <= window, `${wide} in ${window}`);
  });

  it("narrows to a resource and to actions", async () => {
    const { server, page } = await opened({ resource: "tickets" });
    await page.uncheck("#actions [value=updated]");
    await page.click("#connect");
    await says(page, "listening for portos.resources.changed");
    const matched = [];
    for (const event of [changed("tickets", 2), changed("devices", 1), changed("tickets", 3, { id: "x" })]) {
      matched.push((await server.publish(event)).matched);
    }
    assert.deepEqual(matched, [0, 0, 1]);
    assert.deepEqual(await shown(page, 1), ["tickets deleted x"]);
  });

  it("disconnects, and connects again for another event", async () => {
    const { server, page } = await opened();
    await page.click("#connect");
    await says(page, "listening for portos.resources.changed");
    await page.click("#connect");
    await says(page, "not connected");
    await page.fill("#event", "portos.licence.activated");
    assert.equal(await page.isVisible("#resource"), false);
    await page.click("#connect");
    await says(page, "listening for portos.licence.activated");
    assert.equal((await server.publish(changed("tickets", 1))).matched, 0);
    await server.publish(licence());
    assert.deepEqual(await shown(page, 1), ["portos.licence.activated"]);
  });

  it("says that events are missing after a restart without a disk, and loads what the server keeps", async () => {
    const { page, server, restarted } = await listening();
    await server.publish(ticket("before"));
    await shown(page, 1);
    await server.stop();
    const successor = await restarted();
    // Whether the page is back or not, each of them is shown once.
    for (const id of ["first", "second"]) await successor.publish(ticket(id));
    await page.waitForSelector("#events .gap");
    await page.waitForFunction(() => /Loaded from the server: \d+ events?\.$/.test(document.querySelector("#events .gap").textContent));
    await successor.publish(ticket("third"));
    await shown(page, 5);
    assert.match(await page.textContent("#events .gap"), /^Events are missing: the server has lost its history/);
    const names = await page.locator("#events .name").allTextContents();
    assert.deepEqual(names.toSorted(), ["before", "first", "second", "third"].map((id) => `tickets updated ${id}`));
  });

  for (const signal of ["SIGTERM", "SIGKILL"]) {
    it(`shows each event once, in order, through restarts by ${signal} of a server with a disk`, async () => {
      const directory = await mkdtemp(join(tmpdir(), "history-"));
      stage.ending(() => rm(directory, { recursive: true }));
      const disk = { SIGNALHUB_HISTORY__STORE: "disk", SIGNALHUB_HISTORY__DIRECTORY: directory };
      const { page, server, restarted } = await listening(disk);
      let running = server;
      let [published, done] = [0, false];
      // As a backend does: it repeats what was not answered, with the same key.
      const publishing = (async () => {
        while (!done) {
          const key = `event-${published + 1}`;
          await running.publish(ticket(`${published + 1}`), { key }).then(() => (published += 1), () => setImmediate());
        }
      })();
      const reaches = async (count) => {
        while (published < count) await setImmediate();
      };
      for (let restart = 0; restart < 2; restart++) {
        await reaches(published + 10);
        await running.stop(signal);
        running = await restarted();
        await reaches(published + 10);
        await page.waitForFunction(() => document.getElementById("state").dataset.state === "Connected");
      }
      done = true;
      await publishing;
      await page.waitForFunction((last) => document.querySelector("#events .name")?.textContent.endsWith(` ${last}`), published);
      const names = await page.locator("#events .name").allTextContents();
      const all = Array.from({ length: published }, (_, n) => `tickets updated ${published - n}`);
      // The page shows the latest ones, and counts all.
      assert.deepEqual(names, all.slice(0, 200));
      assert.match(await page.textContent("#count"), new RegExp(`^${published} events`));
      assert.equal(await page.locator("#events .gap").count(), 0);
    });
  }

  it("says that the wrapper is missing where only its own folder is served", async () => {
    const alone = { "/": EXAMPLES + "live-events/", "/node_modules/@microsoft/signalr/dist/browser/": bundle };
    const { url } = await stage.gateway({ folders: alone });
    const page = await stage.page(`${url}/index.html#${new URLSearchParams({ server: url, token: "any" })}`);
    await page.click("#connect");
    await says(page, "the wrapper is missing: serve the folder of the examples, as the README describes");
  });

  // Each row: the claim, the fields, what the page says.
  const WRONG = [
    ["a wrong token", { token: "open sesame" }, /^the server does not accept the token: .*401/],
    ["an unknown event", { event: "portos.unknown" }, /portos\.unknown/],
    ["a server that is not there", { server: "http://127.0.0.1:1" }, /^the server cannot be reached/],
  ];
  for (const [claim, fields, said] of WRONG) {
    it(`says what is wrong with ${claim}, and can be tried again`, async () => {
      const { page } = await opened(fields);
      await page.click("#connect");
      await page.waitForFunction(() => document.getElementById("state").dataset.state === "Failed");
      assert.match(await page.textContent("#state"), said);
      assert.equal(await page.textContent("#connect"), "Connect");
    });
  }
});
