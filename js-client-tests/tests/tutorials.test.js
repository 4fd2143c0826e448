// The tutorials: what docs/first-event.md and the README show is run as it is written, and the page of docs/web-page.md is opened.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { missing } from "../support/browser.js";
import { libraries } from "../support/libraries.js";
import { API_KEY, Server } from "../support/server.js";
import { withBrowser } from "../support/stage.js";
import { token } from "../support/token.js";
import { output, without } from "../support/tool.js";

const ROOT = new URL("../../", import.meta.url);
const { bundle } = libraries[0];

/** The address that the documents use. */
const ADDRESS = "http://127.0.0.1:3000";

/** The blocks of a page in a language. */
async function blocks(page, language) {
  const text = await readFile(new URL(page, ROOT), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, block]) => block);
}

/** The command of a page that publishes, for this server and this key. */
async function curl(page, server, key) {
  const command = (await blocks(page, "sh")).find((block) => block.startsWith("curl "));
  return command.replace(ADDRESS, server.url).replace(/X-API-Key:\S+/, `X-API-Key:${key}`);
}

/** Runs a command of a page, and returns the receipt. */
const published = async (command) => JSON.parse(await output("sh", ["-c", `${command.trim().replace(/^curl /, "curl -sS ")}`]));

/** A folder that is removed after the test. */
async function folder(test) {
  const path = await mkdtemp(join(tmpdir(), "tutorial-"));
  test.after(() => rm(path, { recursive: true }));
  return path;
}

describe("the client of the tutorial", { skip: without("curl") }, () => {
  for (const page of ["docs/first-event.md", "README.md"]) {
    it(`of ${page} prints what the command of that page publishes`, async (test) => {
      const development = { SIGNALHUB_AUTH__SECRET: undefined, SIGNALHUB_PUBLISH__KEYS: undefined };
      const server = await Server.start(undefined, development);
      test.after(() => server.stop());
      const [, key] = await server.logged(/X-API-Key:([0-9a-f]+)/);
      const path = await folder(test);
      await symlink(fileURLToPath(new URL("../node_modules", import.meta.url)), join(path, "node_modules"));
      const [program] = await blocks(page, "js");
      await writeFile(join(path, "tickets.mjs"), program.replaceAll(ADDRESS, server.url));
      const env = { ...process.env, SIGNALHUB_TOKEN: await server.printedToken() };
      const client = spawn(process.execPath, ["tickets.mjs"], { cwd: path, env, stdio: ["ignore", "pipe", "inherit"] });
      test.after(() => client.kill());
      let printed = "";
      const received = new Promise((resolve, reject) => {
        client.stdout.setEncoding("utf8").on("data", (text) => {
          printed += text;
          if (printed.includes("portos.resources.changed")) resolve();
        });
        client.once("exit", (code) => reject(new Error(`the client ended with ${code}: ${printed}`)));
      });
      const command = await curl(page, server, key);
      // Until the client has subscribed, nothing matches.
      await Promise.race([received, (async () => {
        while ((await published(command)).matched === 0);
      })()]);
      await received;
      if (page.startsWith("docs/")) assert.match(printed, /^listening\nportos\.resources\.changed 573f4511088c772684a738f8 open\n/m);
    });
  }
});

describe("the page of docs/web-page.md", { skip: missing || without("curl") }, () => {
  const stage = withBrowser(bundle);
  const PAGE = "docs/web-page.md";
  const says = (page, text) => page.waitForFunction((text) => document.getElementById("state").textContent.startsWith(text), text);
  const shown = (page, text) => page.waitForFunction((text) => document.getElementById("tickets").innerText === text, text);

  it("shows a ticket that was created while it was away, and says when events are missing", async (test) => {
    const history = { SIGNALHUB_HISTORY__STORE: "disk", SIGNALHUB_HISTORY__DIRECTORY: join(await folder(test), "history") };
    const settings = { SIGNALHUB_CORS__ALLOW_LOOPBACK: "true" };
    const started = async (listen, more) => {
      const server = await Server.start(listen, { ...settings, ...more });
      test.after(() => server.stop());
      return server;
    };
    let server = await started(undefined, history);
    const site = await folder(test);
    await copyFile(new URL("examples/resuming/resuming.js", ROOT), join(site, "resuming.js"));
    const [html] = await blocks(PAGE, "html");
    await writeFile(join(site, "index.html"), html.replaceAll(ADDRESS, server.url));
    const { url } = await stage.gateway({ folders: { "/": site + "/", "/node_modules/@microsoft/signalr/dist/browser/": bundle } });
    const page = await stage.page(`${url}/index.html#${token()}`);
    await says(page, "listening");
    const command = await curl(PAGE, server, API_KEY);
    assert.equal((await published(command)).matched, 1);
    await shown(page, "ticket 1: open");

    await server.kill();
    await says(page, "away");
    server = await started(new URL(server.url).host, history);
    assert.equal((await published(command.replace('"i":"1"', '"i":"2"'))).matched, 0);
    await shown(page, "ticket 1: open\nticket 2: open");
    await says(page, "listening");

    await server.stop();
    await says(page, "away");
    await started(new URL(server.url).host, { SIGNALHUB_HISTORY__STORE: "memory" });
    await says(page, "events are missing (epoch): load the list anew");
  });
});
