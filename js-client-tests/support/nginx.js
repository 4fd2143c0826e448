// The nginx of the documents: the block of docs/reverse-proxy.md, between a client and a server.

import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "./free-port.js";
import { endWithTests } from "./program.js";

const PAGE = new URL("../../docs/reverse-proxy.md", import.meta.url);

/** Whether nginx is installed. */
export const hasNginx = spawnSync("nginx", ["-v"]).status === 0;

/** A running nginx. */
export class Nginx {
  #process;
  #folder;

  /** Starts one in front of servers, which get requests in turn, or at random. */
  static async start(servers, { random = false } = {}) {
    const nginx = new Nginx();
    const port = await freePort();
    nginx.url = `http://127.0.0.1:${port}`;
    nginx.#folder = await mkdtemp(join(tmpdir(), "signalhub-nginx-"));
    const [, block] = (await readFile(PAGE, "utf8")).match(/```nginx\n([\s\S]*?)```/);
    const site = block.replace("listen 80;", `listen 127.0.0.1:${port};`).replace("http://127.0.0.1:3000", "http://servers");
    const upstream = `upstream servers { ${random ? "random; " : ""}${servers.map((url) => `server ${new URL(url).host};`).join(" ")} }`;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`);
    const whole = `
      daemon off; pid nginx.pid; error_log stderr;
      events {}
      http { access_log off; ${temporary.join(" ")} ${upstream} ${site} }`;
    await writeFile(join(nginx.#folder, "nginx.conf"), whole);
    const args = ["-p", nginx.#folder, "-c", "nginx.conf"];
    nginx.#process = endWithTests(spawn("nginx", args, { stdio: ["ignore", "ignore", "pipe"] }));
    let complaints = "";
    nginx.#process.stderr.on("data", (text) => (complaints += text));
    const ended = new Promise((_, fail) => nginx.#process.once("exit", () => fail(new Error(`nginx ended: ${complaints}`))));
    ended.catch(() => {});
    await Promise.race([nginx.#answers(), ended]);
    return nginx;
  }

  /** Waits until it takes connections; each try waits for the refusal of the one before. */
  async #answers() {
    for (;;) {
      try {
        return await fetch(this.url + "/health");
      } catch {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  async stop() {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
