// The console of the internal listener in Chromium, with the answers of a large server where a small one does not have them.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";

import { missing } from "../support/browser.js";
import { HOSTILE, SHOWN, answersOf, cluster, connections, overview, tail } from "../support/admin-answers.js";
import { changed } from "../features/events.js";
import { ADMIN_TOKEN, openConsole, send, startWithConsole } from "../support/console.js";
import { libraries } from "../support/libraries.js";
import { connect } from "../support/listener.js";
import { Redis, hasRedis } from "../support/redis.js";
import { withBrowser } from "../support/stage.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TABS = ["now", "connections", "events", "try"];

describe("the console", { skip: missing }, () => {
  const stage = withBrowser();
  let server;
  let internal;
  before(async () => ({ server, internal } = await startWithConsole()));
  after(() => server?.stop());

  const open = (settings) => openConsole(stage, internal, settings);
  const text = (page, id) => page.textContent(`#${id}`);
  const verdict = (page, expected) => page.waitForFunction((expected) => document.getElementById("verdict-title").textContent === expected, expected);
  const rows = (page) => page.locator("#connections-rows tr");
  /** Only the overview is not the server's own. */
  const quiet = (_, path) => (path === "overview" ? [200, overview()] : undefined);
  const tilesOf = (page) => page.locator("#tiles dd:not(.more)").allTextContents();
  /** Opens the tail, which ends after its events. */
  const withTail = async (page) => {
    await page.click("#tail-start");
    await page.waitForSelector("#tail .gap");
  };

  it("shows in its numbers what the overview says", async () => {
    const page = await open({ answers: answersOf([]) });
    await verdict(page, "All is well");
    assert.deepEqual(await tilesOf(page), ["10,000", "8,200", "41.5", "4.1 ms", "0 B", "0"]);
    assert.equal(await text(page, "verdict-summary"), "10,000 connections, 8,200 deliveries/s, 99 of 100 delivered within 4.1 ms.");
    assert.equal(await text(page, "node"), "hub-1, version 0.1.0, serving, up 3 d 4 h");
    assert.equal(await text(page, "by-transport"), "WebSockets8,800Server-Sent Events900Long polling300");
    assert.equal(await text(page, "refusals"), "Nothing was refused.");
    assert.match(await page.locator("#charts [role=img]").first().getAttribute("aria-label"), /^Connections, the last five minutes\. now 10,000, highest 10,000\.$/);
    assert.deepEqual(page.wrong, []);
  });

  // Each row: what is wrong, the overview, the verdict and its reason.
  const hour = 3600;
  const WRONG = [
    ["a server that stops", { phase: "draining" }, "bad", /^The server is draining: it accepts no new connections/],
    ["a server that is not ready", { not_ready: "no keys of https://id.example yet" }, "bad", /^The server is not ready: no keys of https:\/\/id\.example yet/],
    ["refusals of the last minute", { uptime_seconds: 30, refusals: { publish_rate: 2, connections: 0 } }, "bad", /^2 refused in the last minute by publish_rate – a publisher is over publish\.rate/],
    ["an expired certificate", { certificate_expires: new Date(Date.now() - 1000).toISOString() }, "bad", /^The certificate has expired/],
    ["a certificate that expires soon", { certificate_expires: new Date(Date.now() + 25.5 * hour * 1000).toISOString() }, "warn", /^The certificate expires in 1 d 1 h/],
    ["clients that read slowly", { slow: 1, queued_bytes: 2048 }, "warn", /^1 client reads too slowly: 2 KiB wait in queues/],
    ["slow delivery", { latency: { "10s": { p50: 0.1, p99: 0.9 }, "60s": { p50: 0.1, p99: 0.9 } } }, "warn", /^Delivery is slow: 1 of 100 events takes 900 ms or more/],
    ["few file descriptors", { fds: { open: 900, limit: 1000 } }, "warn", /^900 of 1,000 file descriptors are in use/],
  ];
  for (const [what, changes, level, reason] of WRONG) {
    it(`says what is wrong with ${what}, with a link to what to do`, async () => {
      const page = await open({ answers: answersOf([], (_, path) => path === "overview" && [200, overview(changes)]) });
      await verdict(page, level === "bad" ? "Something is wrong: 1 thing to look at" : "Mostly well: 1 thing to look at");
      assert.equal(await page.getAttribute("#verdict", "data-level"), level);
      assert.match(await text(page, "verdict-reasons"), reason);
      const link = await page.getAttribute("#verdict-reasons a", "href");
      assert.match(link, /^\/console\/operations\.md#/);
      const answer = await send(internal + link.split("#")[0]);
      assert.deepEqual([answer.status, answer.headers["content-type"]], [200, "text/plain; charset=utf-8"]);
    });
  }

  /** The answers of a node of a cluster, with these connections. */
  const inCluster = (all, changes = {}, state = "member") => answersOf(all, (_, path, query) => {
    if (path === "overview") return [200, overview({ cluster: state })];
    if (path === "cluster") return [200, cluster({ state, ...changes })];
    if (path === "connections") return [200, { value: all.slice(0, Number(query.get("limit"))), missing: ["hub-3"] }];
    if (path === "explain") return [200, { delivered: true, steps: [{ step: "connections", node: "hub-2", outcome: "pass", detail: "1 of user bob" }], missing: [HOSTILE[0]] }];
  });

  it("shows nothing of a cluster where there is none", async () => {
    const page = await open({ answers: answersOf(connections(3)) });
    await verdict(page, "All is well");
    assert.equal(await page.isVisible("#cluster"), false);
    assert.equal(page.requested.some((url) => url.endsWith("/cluster")), false);
    await page.click("#tab-connections");
    await rows(page).nth(2).waitFor();
    assert.equal((await page.locator("#connections-head th").allTextContents()).includes("Node"), false);
  });

  it("shows the nodes of a cluster, the links, the lag and the forwards, and names a node that did not answer", async () => {
    const page = await open({ answers: inCluster([]) });
    await page.waitForSelector("#cluster-nodes tr");
    assert.equal(await text(page, "cluster-state"), "connected to Redis");
    const cells = await Promise.all((await page.locator("#cluster-nodes tr").all()).map((row) => row.locator("td").allTextContents()));
    assert.deepEqual(cells.map((row) => row.slice(0, 5)), [
      ["hub-1 (this one)", "member", "5,000", "12,000", "2 KiB"],
      ["hub-2", "member", "4,321", "12,000", "2 KiB"],
      ["hub-3", "did not answer", "–", "–", "–"],
    ]);
    assert.equal(await text(page, "cluster-links"), "redis://10.0.0.5:6379CommandsconnectedReader of eventsconnectedChannelsconnected");
    assert.equal(await text(page, "cluster-lag"), "Lag, p993.1 msLag, p50400 µsEvents read4,812Event names12Gaps2New epochs1");
    assert.equal(await text(page, "cluster-forwards"), "Polls7POSTs12,345Event streams1Resumed WebSockets0Failed3Refused2");
    assert.deepEqual(page.wrong, []);
  });

  it("shows the node of each connection, and which node explains", async () => {
    const all = connections(3).map((one, index) => ({ ...one, node: `hub-${index + 1}` }));
    const page = await open({ hash: "#connections", answers: inCluster(all) });
    await rows(page).nth(2).waitFor();
    assert.deepEqual(await rows(page).locator("td:last-child").allTextContents(), ["hub-1", "hub-2", "hub-3"]);
    assert.match(await text(page, "connections-range"), /Without nodes that did not answer: hub-3$/);
    await rows(page).nth(1).locator("button").click();
    await page.waitForFunction(() => document.querySelector("dialog .facts")?.textContent.includes("Nodehub-2"));
    await page.click("text=Explain …");
    await page.click("text=Would it be delivered?");
    await page.waitForSelector("dialog .steps");
    assert.equal(await page.textContent("dialog .steps"), "connectionspasses at node hub-2: 1 of user bob");
    assert.ok((await page.textContent("dialog")).includes(`Nodes that did not answer: ${HOSTILE[0]}.`));
    assert.deepEqual(page.wrong, []);
  });

  it("fits with the card of a cluster into 360 pixels, and has no finding of axe", async () => {
    const page = await open({ width: 360, height: 740, answers: inCluster([], {}, "severed") });
    await page.waitForSelector("#cluster-nodes tr");
    const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }));
    assert.ok(wide <= window, `${wide} in ${window}`);
    const table = await page.locator("#cluster .scroll").evaluate(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }));
    assert.ok(table.scrollWidth <= table.clientWidth, `${table.scrollWidth} in ${table.clientWidth}`);
    await page.evaluate(AXE);
    const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
  });

  it("says that Redis is away, since when, and that it is back", { skip: !hasRedis && "not run: redis-server is not installed" }, async () => {
    const redis = await Redis.start();
    stage.ending(() => redis.stop());
    const node = await startWithConsole({
      SIGNALHUB_CLUSTER__REDIS: `redis://127.0.0.1:${redis.port}`,
      SIGNALHUB_CLUSTER__SECRET: "a secret of the cluster with enough bytes for HMAC",
      SIGNALHUB_CLUSTER__NODE: "one",
      SIGNALHUB_CLUSTER__LISTEN: "127.0.0.1:0",
    });
    stage.ending(() => node.server.stop());
    const page = await openConsole(stage, node.internal);
    const says = (id, expected) => page.waitForFunction(([id, expected]) => document.getElementById(id).textContent.includes(expected), [id, expected]);
    await verdict(page, "All is well");
    await says("cluster-nodes", "one (this one)member");
    await redis.kill();
    await says("cluster-state", "severed: a link to Redis is lost");
    await says("verdict-reasons", "This node is severed from its cluster");
    await says("cluster-links", "Commandsaway for ");
    await says("cluster-nodes", "one (this one)severed");
    await redis.restart();
    await says("cluster-state", "connected to Redis");
    await says("cluster-links", "Commandsconnected");
    assert.deepEqual(page.wrong, []);
  });

  it("calls refusals recent only while they grow", async () => {
    let refused = 7;
    const page = await open({ answers: answersOf([], (_, path) => path === "overview" && [200, overview({ refusals: { publish_rate: refused } })]) });
    await verdict(page, "All is well");
    assert.match(await text(page, "refusals"), /^publish_rate7/);
    refused = 9;
    await verdict(page, "Something is wrong: 1 thing to look at");
    assert.match(await text(page, "verdict-reasons"), /^2 refused in the last minute by publish_rate/);
  });

  it("says that the server does not answer, keeps its last numbers, and continues when it is back", async () => {
    let gone = false;
    const page = await open({ answers: answersOf([]) });
    await verdict(page, "All is well");
    await page.route("**/overview", (route) => (gone ? route.abort() : route.fallback()));
    gone = true;
    await verdict(page, "The server does not answer");
    assert.match(await text(page, "verdict-reasons"), /^The last answer came .+ ago; the numbers below are from then\./);
    assert.deepEqual((await tilesOf(page))[0], "10,000");
    gone = false;
    await verdict(page, "All is well");
  });

  it("asks for no overview while it is hidden", async () => {
    const page = await open({ answers: answersOf([]) });
    await verdict(page, "All is well");
    await page.clock.install();
    const hide = (hidden) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    const asked = () => page.requested.filter((url) => url.endsWith("/overview")).length;
    await hide(true);
    const before = asked();
    await page.clock.runFor(30_000);
    // What was under way when it was hidden.
    assert.ok(asked() - before <= 1, `${asked() - before}`);
    const answered = page.waitForResponse("**/overview");
    await hide(false);
    await answered;
  });

  it("has a page of at most 100 of 10 000 connections in its table", async () => {
    const asked = [];
    const note = (_, path, query) => void (path === "connections" && asked.push(Object.fromEntries(query)));
    const page = await open({ hash: "#connections", answers: answersOf(connections(), note) });
    await rows(page).nth(99).waitFor();
    assert.equal(await rows(page).count(), 100);
    await page.click("#connections-next");
    await page.waitForFunction(() => document.getElementById("connections-range").textContent.startsWith("101 to 200"));
    assert.equal(await rows(page).count(), 100);
    await page.click("#sort-age button");
    await page.waitForFunction(() => document.getElementById("connections-range").textContent.startsWith("1 to 100"));
    assert.equal(await page.getAttribute("#sort-age", "aria-sort"), "descending");
    assert.equal(await page.getAttribute("#sort-queued", "aria-sort"), "none");
    await page.fill("#connections-filter [name=user]", "a&b=ünï");
    await page.check("#connections-filter [name=slow]");
    await Promise.all([page.waitForResponse("**/connections?*"), page.keyboard.press("Enter")]);
    assert.deepEqual(asked.map(({ sort, after, user, slow, limit }) => [sort, after, user, slow, limit]), [
      ["queued", undefined, undefined, undefined, "100"], ["queued", "100", undefined, undefined, "100"],
      ["age", undefined, undefined, undefined, "100"], ["age", undefined, "a&b=ünï", "true", "100"],
    ]);
  });

  it("names full of HTML and control characters are shown as they are", async () => {
    const own = (_, path) => {
      if (path === "overview") return [200, overview({ node: HOSTILE[0] })];
      if (path === "events/tail") return [200, tail(HOSTILE)];
      if (path === "subscriptions") return [200, { value: HOSTILE.map((event) => ({ event, resource: event, subscriptions: 1, matched_60s: 1 })) }];
      if (path === "explain") return [200, { delivered: false, steps: HOSTILE.map((detail) => ({ step: detail, outcome: "fail", detail })) }];
    };
    const page = await open({ hash: "#connections", answers: answersOf(connections(6, HOSTILE), own) });
    await rows(page).nth(5).waitFor();
    assert.deepEqual(await rows(page).locator("td:first-child").allTextContents(), SHOWN);
    for (const index of HOSTILE.keys()) {
      await rows(page).nth(index).locator("button").click();
      await page.waitForFunction((title) => document.getElementById("dialog-title")?.textContent === title, `Connection of ${SHOWN[index]}`);
      await page.click("text=Disconnect …");
      assert.ok((await page.textContent("dialog .confirm strong")).includes(SHOWN[index]));
      await page.click("text=Explain …");
      await page.click("text=Would it be delivered?");
      await page.waitForSelector("dialog .steps");
      assert.deepEqual(await page.locator("dialog .steps bdi").allTextContents(), SHOWN);
      await page.keyboard.press("Escape");
    }
    await page.click("#tab-events");
    await withTail(page);
    assert.deepEqual((await page.locator("#tail summary > .name").allTextContents()).slice(0, 6), SHOWN.toReversed());
    await page.waitForSelector("#subscriptions-rows tr");
    assert.deepEqual(await page.locator("#subscriptions-rows td:first-child").allTextContents(), SHOWN);
    assert.equal(await page.locator("main img, main b:not([class] b, .legend b, .share b, .refusal b), main script, dialog img").count(), 0);
    assert.deepEqual(page.wrong, []);
    assert.deepEqual(page.requested.filter((url) => !url.startsWith(internal + "/") && !url.startsWith("data:")), []);
  });

  for (const scheme of ["light", "dark"]) {
    it(`is accessible by the rules of axe in ${scheme} colours, in every tab and the dialog`, async () => {
      const page = await open({ scheme, answers: answersOf(connections(3)) });
      await verdict(page, "All is well");
      const check = async (where) => {
        await page.evaluate(AXE);
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        assert.deepEqual(found.violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`), []);
      };
      for (const tab of TABS) {
        await page.click(`#tab-${tab}`);
        if (tab === "events") await withTail(page);
        if (tab === "try") await page.click("#publish button");
        await check(tab);
      }
      await page.click("#tab-connections");
      await rows(page).first().locator("button").click();
      await page.click("text=Disconnect …");
      await check("dialog");
    });
  }

  it("fits into 360 pixels without scrolling sideways", async () => {
    const page = await open({ width: 360, height: 740, answers: answersOf(connections(100, [...HOSTILE, "x".repeat(300)])) });
    await verdict(page, "All is well");
    const check = async (where) => {
      const { wide, window } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, window: innerWidth }));
      assert.ok(wide <= window, `${where}: ${wide} in ${window}`);
    };
    for (const tab of TABS) {
      await page.click(`#tab-${tab}`);
      if (tab === "events") await withTail(page);
      await check(tab);
    }
    await page.click("#tab-connections");
    await rows(page).nth(6).locator("button").click();
    await page.click("text=Disconnect …");
    await check("dialog");
    const inner = await page.evaluate(() => [document.querySelector("dialog").scrollWidth, document.querySelector("dialog").clientWidth]);
    assert.ok(inner[0] <= inner[1], `${inner}`);
  });

  it("can be used by the keyboard alone, up to a disconnect with its confirmation", async () => {
    const removed = [];
    const note = (method, path, query) => void (method === "DELETE" && removed.push([path, Object.fromEntries(query)]));
    const page = await open({ answers: answersOf(connections(3), note) });
    await verdict(page, "All is well");
    const press = (key) => page.keyboard.press(key);
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
    /** Presses Tab until this has the focus. */
    const reach = async (what) => {
      for (let presses = 0; presses < 40; presses++) {
        if ((await focused()) === what) return;
        await press("Tab");
      }
      assert.fail(`${what} is not reached`);
    };
    await reach("tab-now");
    for (const [key, tab] of [["ArrowRight", "connections"], ["End", "try"], ["ArrowRight", "now"], ["ArrowLeft", "try"], ["Home", "now"], ["ArrowRight", "connections"]]) {
      await press(key);
      assert.equal(await focused(), `tab-${tab}`);
      assert.deepEqual(await page.locator("[role=tabpanel]:visible").evaluateAll((all) => all.map(({ id }) => id)), [tab]);
    }
    const seen = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(seen, "solid");
    await rows(page).nth(2).waitFor();
    await reach("bob");
    await press("Enter");
    await page.waitForSelector("text=Disconnect …");
    await reach("Disconnect …");
    await press("Enter");
    // Leaving it again disconnects nothing.
    await reach("Keep connected");
    await press("Enter");
    await reach("Disconnect …");
    await press("Enter");
    await reach("reason").catch(() => undefined);
    await page.locator("dialog .confirm button[type=submit]").focus();
    await press("Enter");
    await page.waitForFunction(() => document.getElementById("connections-notice").textContent === "bob was told to disconnect.");
    assert.deepEqual(removed, [["connections/c7Qk1", { reconnect: "true" }]]);
  });

  /** A client of the server's own hub that has subscribed to changes of this resource. */
  const listener = async (resource, claims) => {
    const one = await connect(libraries[0].signalR, server, { claims });
    stage.ending(() => one.connection.stop());
    await one.subscribe({ e: "portos.resources.changed", r: [{ n: resource }] });
    return one;
  };
  const tailed = (page) => page.locator("#tail summary > .name").count();
  const tailIs = (page, state) => page.waitForFunction((state) => document.getElementById("tail-state").textContent === state, state);

  it("shows in its numbers what the server's own overview says", async () => {
    await listener("now", { sub: "ann" });
    const page = await open();
    await page.waitForFunction(() => document.getElementById("verdict").dataset.level === "ok");
    await server.publish(changed("now", 1));
    for (;;) {
      const said = await (await page.waitForResponse("**/overview")).json();
      if (said.matched_total === 0 || said.latency["60s"].p99 === null) continue;
      await page.waitForFunction((total) => document.getElementById("tiles").textContent.includes(`${total} in all`), said.published_total);
      const [connections, , , latency, , slow] = await tilesOf(page);
      assert.deepEqual([connections, slow], [`${said.connections.active}`, `${said.slow}`]);
      assert.match(latency, /^[\d.]+ (µs|ms|s)$/);
      assert.match(await text(page, "node"), new RegExp(`^${said.node}, version ${said.version}, serving, up `));
      assert.equal(await page.locator("#by-transport b").first().textContent(), `${said.connections.by_transport.web_sockets}`);
      assert.match(await text(page, "process"), new RegExp(`of ${said.fds.limit.toLocaleString("en")}`));
      break;
    }
    assert.deepEqual(page.wrong, []);
    assert.deepEqual(page.requested.filter((url) => !url.startsWith(internal + "/") && !url.startsWith("data:")), []);
  });

  it("shows the connections that the API lists, and ends one with its confirmation", async () => {
    const ann = await listener("table", { sub: "table <ann>", org: "acme" });
    await listener("table", { sub: "bob" });
    const page = await open({ hash: "#connections", answers: quiet });
    await page.fill("#connections-filter [name=user]", "table <ann>");
    const answered = page.waitForResponse((response) => response.url().includes("user=table"));
    await page.click("#connections-filter button");
    const { value } = await (await answered).json();
    assert.deepEqual(value.map(({ id, user }) => [id, user]), [[ann.connection.connectionId, "table <ann>"]]);
    await page.waitForFunction(() => document.querySelectorAll("#connections-rows tr").length === 1);
    const cells = await rows(page).locator("td").allTextContents();
    assert.deepEqual([cells[0], cells[1], cells[2], cells[5], cells[8], cells[9], cells[10]], ["table <ann>", "acme", "0 B", "1", "WebSockets", "JSON", value[0].address]);
    await rows(page).locator("button").click();
    await page.click("text=Explain …");
    for (const [resource, answer] of [["table", "It would be delivered."], ["others", "It would not be delivered."]]) {
      await page.fill("dialog [name=resource]", resource);
      await page.selectOption("dialog [name=action]", "updated");
      await page.click("text=Would it be delivered?");
      await page.waitForFunction((answer) => document.querySelector("dialog [role=status] strong")?.textContent === answer, answer);
    }
    await page.click("text=Disconnect …");
    await page.check("text=Not to reconnect");
    await page.fill("dialog [name=reason]", "a test");
    assert.match(await page.textContent("dialog .scroll"), /^portos\.resources\.changedtable/);
    const closed = new Promise((resolve) => ann.connection.onclose(resolve));
    await page.click("dialog .confirm button[type=submit]");
    assert.match(String(await closed), /a test/);
    await page.waitForFunction(() => document.getElementById("connections-notice").textContent === "table <ann> was told to disconnect.");
    assert.deepEqual(page.wrong, []);
  });

  it("publishes what was tried, shows the receipt, and its official client receives it", async () => {
    const page = await open({ hash: "#try", answers: quiet });
    await page.click("#listen-start");
    await page.waitForSelector("#listen-state[data-state=on]");
    await page.click("#publish button");
    await page.waitForSelector("#heard li");
    assert.match(await text(page, "receipt"), /^Published at .*: 1 subscriber matched\./);
    assert.deepEqual(await page.locator("#heard summary .name").allTextContents(), ["portos.resources.changed"]);
    const received = JSON.parse(await page.locator("#heard pre").textContent());
    assert.deepEqual(received.p, JSON.parse(await page.inputValue("#publish-body")).p);
    await page.fill("#publish-body", "{");
    await page.click("#publish button");
    await page.waitForSelector("#publish-error:visible");
    assert.match(await text(page, "publish-error"), /^The body is not JSON/);
    await page.fill("#publish-body", '{"e":"<i>unknown</i>","p":{}}');
    await page.click("#publish button");
    await page.waitForFunction(() => document.getElementById("publish-error").textContent.includes("<i>unknown</i>"));
    await page.click("#listen-start");
    await page.waitForSelector("#listen-state[data-state=off]");
    // Chromium itself reports the answer 400.
    assert.deepEqual(page.wrong.filter((what) => !/400 \(Bad Request\)/.test(what)), []);
    const others = page.requested.filter((url) => ![internal, server.url, server.url.replace("http", "ws")].some((own) => url.startsWith(own + "/")));
    assert.deepEqual(others.filter((url) => !url.startsWith("data:")), []);
  });

  it("shows events as they are published, who got one of them, and after a pause what came meanwhile", async () => {
    const ann = await listener("tail", { sub: "<b>ann</b>" });
    const page = await open({ hash: "#events", answers: quiet });
    await page.click("#tail-start");
    await tailIs(page, "live");
    await server.publish(changed("tail", 1, { id: "first" }));
    await page.waitForFunction(() => document.querySelectorAll("#tail summary").length === 1);
    await page.locator("#tail summary").click();
    await page.waitForFunction(() => document.querySelector("#tail .facts")?.textContent.includes("<b>ann</b>"));
    assert.ok((await page.textContent("#tail .facts")).includes(ann.connection.connectionId));
    assert.match(await page.textContent("#tail pre"), /"i": "first"/);
    await page.click("#tail-pause");
    await tailIs(page, "paused");
    for (const id of ["second", "third"]) await server.publish(changed("tail", 2, { id }));
    await page.waitForFunction(() => document.getElementById("tail-pause").title === "2 events came meanwhile");
    assert.equal(await tailed(page), 1);
    await page.click("#tail-pause");
    await tailIs(page, "live");
    assert.equal(await tailed(page), 3);
    await page.locator("#tail summary").first().click();
    await page.waitForFunction(() => document.querySelector("#tail pre").textContent.includes('"i": "third"'));
    await page.click("#tail-start");
    await tailIs(page, "stopped");
    await server.publish(changed("tail", 3));
    assert.equal(await tailed(page), 3);
    assert.deepEqual(page.wrong, []);
  });

  it("asks for the token, refuses a wrong one, and forgets it when signed out", async () => {
    const page = await open({ token: null });
    await page.waitForSelector("#gate input");
    assert.equal(await page.isVisible("#tabs"), false);
    await page.keyboard.type("not the token");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#gate .error:visible");
    assert.match(await text(page, "gate"), /The token was not accepted/);
    await page.fill("#gate input", ADMIN_TOKEN);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#tabs:visible");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("signalhub.admin.token")), ADMIN_TOKEN);
    assert.deepEqual(await page.context().cookies(), []);
    await page.click("#session");
    await page.waitForSelector("#gate input");
    assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0);
  });

  it("is not for other hosts, and its API not for pages of other origins", async () => {
    const { port } = new URL(internal);
    for (const path of ["/", "/console/console.js", "/admin/api/v1/overview"]) {
      assert.equal((await send(internal + path, { headers: { Host: `rebound.example:${port}` } })).status, 421);
    }
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${ADMIN_TOKEN}`, Origin: "https://evil.example" };
    assert.equal((await send(`${internal}/admin/api/v1/publish`, { method: "POST", headers, body: "{}" })).status, 403);
  });

  it("is not there where admin.console is false", async () => {
    const without = await startWithConsole({ SIGNALHUB_ADMIN__CONSOLE: "false" });
    stage.ending(() => without.server.stop());
    for (const path of ["/", "/console/console.js"]) assert.equal((await send(without.internal + path)).status, 404);
  });

  it("says on another address that it needs a token, and shows nothing", async () => {
    const open = await startWithConsole({ SIGNALHUB_ADMIN__TOKEN: undefined, SIGNALHUB_LISTEN__INTERNAL: "0.0.0.0:0" });
    stage.ending(() => open.server.stop());
    for (const path of ["/", "/console/console.js"]) assert.equal((await send(open.internal + path)).status, 403);
  });
});
