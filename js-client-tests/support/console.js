// The console of a server, in a page that notes what goes wrong in it.

import { request } from "node:http";

import { Server } from "./server.js";

/** The token of the admin API. */
export const ADMIN_TOKEN = "the admin token of the tests, of enough bytes";

/** A server with its internal listener, and the address of that. */
export async function startWithConsole(settings = {}) {
  const server = await Server.start(undefined, {
    SIGNALHUB_LISTEN__INTERNAL: "127.0.0.1:0",
    SIGNALHUB_CORS__ALLOW_LOOPBACK: "true",
    SIGNALHUB_ADMIN__TOKEN: ADMIN_TOKEN,
    SIGNALHUB_ADMIN__SHOW_PAYLOADS: "true",
    ...settings,
  });
  const [, port] = await server.logged(/serving operators.*?\d:(\d+)/);
  return { server, internal: `http://127.0.0.1:${port}` };
}

/** Sends a request with these headers, which fetch would not, and returns its status and headers. */
export function send(url, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers });
    asked.once("error", reject);
    asked.once("response", (response) => {
      response.resume();
      response.once("end", () => resolve({ status: response.statusCode, headers: response.headers }));
    });
    asked.end(body);
  });
}

/**
 * Opens the console with the token, unless it is null. `answers` stands in for the admin API: a function that gets the method, the
 * path behind `/admin/api/v1/`, the query and the body, and returns `[status, body]`, or nothing for the server's own answer.
 * `time` is when the clock of the page starts, which then stands still.
 * The page has `wrong`, what went wrong, and `requested`, the URLs that it asked for.
 */
export async function openConsole(stage, internal, { token = ADMIN_TOKEN, answers, hash = "", scheme = "light", width = 1280, height = 900, time } = {}) {
  const context = await stage.browser.newContext({ colorScheme: scheme, viewport: { width, height }, timezoneId: "UTC" });
  stage.ending(() => context.close());
  const page = await context.newPage();
  page.wrong = [];
  page.requested = [];
  page.on("pageerror", (error) => page.wrong.push(error.message));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && page.wrong.push(message.text()));
  page.on("request", (request) => page.requested.push(request.url()));
  await page.exposeFunction("violated", (what) => page.wrong.push(what));
  await page.addInitScript((token) => {
    if (token) sessionStorage.setItem("signalhub.admin.token", token);
    document.addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective}: ${event.blockedURI}`));
  }, token);
  if (answers) {
    await page.route("**/admin/api/v1/**", (route) => {
      const request = route.request();
      const { pathname, searchParams } = new URL(request.url());
      const answer = answers(request.method(), pathname.slice("/admin/api/v1/".length), searchParams, request.postDataJSON());
      if (!answer) return route.continue();
      const [status, body] = answer;
      if (typeof body === "string") return route.fulfill({ status, contentType: "text/event-stream", body });
      return route.fulfill({ status, contentType: status < 400 ? "application/json" : "application/problem+json", body: JSON.stringify(body) ?? "" });
    });
  }
  if (time) await page.clock.install({ time });
  await page.goto(`${internal}/${hash}`);
  return page;
}
