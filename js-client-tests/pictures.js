// Makes the pictures of docs/console.md: npm run pictures. The answers are those of a server with 10 000 connections, at a fixed moment.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { changed } from "./features/events.js";
import { answersOf, connections, overview } from "./support/admin-answers.js";
import { launch } from "./support/browser.js";
import { libraries } from "./support/libraries.js";
import { connect } from "./support/listener.js";
import { openConsole, startWithConsole } from "./support/console.js";

const FOLDER = fileURLToPath(new URL("../docs/console/", import.meta.url));
const START = new Date("2026-11-28T12:55:00Z");

/** How many seconds the charts show. */
const SECONDS = 280;

const wave = (second, middle, height) => middle + height * (Math.sin(second / 17) + 0.3 * Math.sin(second / 2.3) + 0.2 * Math.sin(second / 0.7));

/** The overview of a server that is busy, and has some clients that read slowly for a while. */
function busy(second) {
  const rates = (deliveries) => ({ published: wave(second, 41, 6), deliveries, connects: Math.max(0, wave(second, 2, 1)) });
  const latency = { p50: 0.00042, p90: 0.0021, p99: wave(second, 0.0041, 0.0008), max: 0.031 };
  return overview({
    uptime_seconds: 276_480 + second, published_total: 4_812_345 + 41 * second,
    connections: { ...overview().connections, active: Math.round(wave(second, 9950, 40)) },
    rates: { "10s": rates(wave(second, 8200, 900)), "60s": rates(8011) }, latency: { "10s": latency, "60s": { ...latency, p99: 0.0041 } },
    queued_bytes: Math.max(0, Math.round(wave(second, 9000, 14_000))), certificate_expires: "2027-01-30T00:00:00Z",
  });
}

/** What is done before each picture is taken, which is of the tab of that name; the card of the cluster is in the tab Now. */
const ACTS = {
  now: async (page) => {
    for (let second = 0; second < SECONDS; second++) await Promise.all([page.waitForResponse("**/overview"), page.clock.runFor(1000)]);
    await page.clock.runFor(100);
  },
  cluster: (page) => page.waitForSelector("#cluster-nodes tr"),
  connections: (page) => page.waitForSelector("#connections-rows tr"),
  events: async (page) => {
    await page.click("#tail-start");
    await page.waitForFunction(() => document.getElementById("tail-state").textContent === "live");
    for (let version = 1; version <= 12; version++) await server.publish(changed(["tickets", "devices"][version % 2], 1 + (version % 3), { version }));
    await page.waitForFunction(() => document.querySelectorAll("#tail summary").length === 12);
    await page.locator("#tail summary").nth(1).click();
    await page.waitForSelector("#tail .more code");
    await page.waitForFunction(() => document.querySelector("#tail .facts").textContent.includes("carol"));
  },
  try: async (page) => {
    await page.click("#listen-start");
    await page.waitForSelector("#listen-state[data-state=on]");
    await page.click("#publish button");
    await page.waitForSelector("#receipt pre");
    await page.click("#heard summary");
  },
};

const LOOKS = [
  ["light", { scheme: "light", width: 1160, height: 690 }],
  ["dark", { scheme: "dark", width: 1160, height: 690 }],
  ["narrow", { scheme: "light", width: 360, height: 740 }],
];

mkdirSync(FOLDER, { recursive: true });
// Grey edges of letters: pictures that are smaller, and alike on every screen.
const browser = await launch(["--disable-lcd-text"]);
const ends = [];
const { server, internal } = await startWithConsole();
for (const sub of ["ann", "bob", "carol"]) {
  const { connection } = await connect(libraries[0].signalR, server, { claims: { sub } });
  ends.push(() => connection.stop());
  await connection.invoke("Subscribe", { e: "portos.resources.changed" });
}
const all = connections(10_000, undefined, START.getTime());
for (const [look, settings] of LOOKS) {
  for (const [tab, act] of Object.entries(ACTS)) {
    let second = 0;
    // These need a server that really publishes and delivers.
    const real = ["publish", "tokens", "events/tail", "events/recent"];
    const ofCluster = tab === "cluster" ? { cluster: "member" } : {};
    const answers = answersOf(all, (_, path) => (path === "overview" ? [200, { ...busy(second++), ...ofCluster }] : undefined));
    const some = (method, path, query, body) => (real.includes(path) ? undefined : answers(method, path, query, body));
    const page = await openConsole({ browser, ending: (end) => ends.push(end) }, internal, { ...settings, hash: `#${tab === "cluster" ? "now" : tab}`, answers: some, time: ["now", "cluster", "connections"].includes(tab) ? START : undefined });
    await page.waitForSelector("#tabs:visible");
    await act(page);
    await page.evaluate(() => {
      document.activeElement.blur();
      scrollTo(0, 0);
    });
    await page.mouse.move(0, 0);
    const shown = tab === "cluster" ? page.locator("#cluster") : page;
    await shown.screenshot({ path: `${FOLDER}${tab}-${look}.png` });
    if (page.wrong.length > 0) throw new Error(page.wrong.join("\n"));
    console.log(`${tab}-${look}.png`);
  }
}
for (const end of ends) await end();
await browser.close();
await server.stop();
