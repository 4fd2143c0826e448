// Headless Chromium as installed on the system; nothing is downloaded.

import { existsSync } from "node:fs";

import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const executablePath = process.env.SIGNALHUB_CHROMIUM || PLACES.find(existsSync);

/** Why the tests in the browser are skipped, or false. */
export const missing =
  executablePath === undefined && "Chromium is missing: install it (apt-get install chromium), or set SIGNALHUB_CHROMIUM to its path";

/** Starts the browser without background requests; `more` are further arguments. */
export function launch(more = []) {
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
}

/** Opens a page with a store of connections and cookies of its own. */
export async function open(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  return page;
}
