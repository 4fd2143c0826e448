// Tickets: no URL that a page requests contains its token, and a URL from a log opens nothing.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, it } from "node:test";

import { LICENCE, licence } from "../features/events.js";
import { missing } from "../support/browser.js";
import { Cutter } from "../support/cutter.js";
import { Gateway } from "../support/gateway.js";
import { libraries } from "../support/libraries.js";
import { connect } from "../support/listener.js";
import { Nginx, hasNginx } from "../support/nginx.js";
import { Server } from "../support/server.js";
import { withBrowser } from "../support/stage.js";
import { token } from "../support/token.js";

const TRANSPORTS = ["WebSockets", "ServerSentEvents", "LongPolling"];
const PATH = "/signalr/v1/mainHub";
const TRACED = { SIGNALHUB_LOG__LEVEL: "trace" };

/** Sends a request as a client that has read a URL, and returns the status of the answer. */
function replay(url, { method = "GET", headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (answer) => {
      resolve(answer.statusCode);
      answer.destroy();
    });
    sent.on("upgrade", (answer, socket) => {
      resolve(answer.statusCode);
      socket.destroy();
    });
    sent.on("error", reject);
    sent.end();
  });
}

const UPGRADE = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
};
const STREAM = { Accept: "text/event-stream" };

for (const { version, signalR, bundle } of libraries) {
  describe(`the URLs of a page (@microsoft/signalr ${version})`, { skip: missing }, () => {
    const stage = withBrowser(bundle);
    const jwt = token();

    const start = async (settings, listen) => {
      const server = await Server.start(listen, { ...TRACED, ...settings });
      stage.ending(() => server.stop());
      return server;
    };

    /** A page, and the URLs of the hub that it requests. */
    const openPage = async (url) => {
      const page = await stage.page(url);
      const urls = [];
      const keep = (url) => new URL(url).pathname.startsWith(PATH) && urls.push(url);
      page.on("request", (request) => keep(request.url()));
      page.on("websocket", (socket) => keep(socket.url()));
      return { page, urls };
    };

    /** Connects a client in the page that stays connected. */
    const stay = (page, settings) =>
      page.evaluate(
        async ({ transport, stateful, ...settings }) => {
          const { signalR } = window;
          const url = settings.url ?? location.origin + settings.path;
          let builder = new signalR.HubConnectionBuilder()
            .withUrl(url, {
              accessTokenFactory: () => settings.token,
              transport: transport && signalR.HttpTransportType[transport],
            })
            .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 200 });
          if (stateful) builder = builder.withStatefulReconnect();
          window.connection = builder.build();
          window.events = [];
          window.connection.on("OnEvent", (event) => window.events.push(event));
          const subscribe = () => window.connection.invoke("Subscribe", { e: settings.event });
          window.back = new Promise((resolve) => window.connection.onreconnected(() => subscribe().then(resolve)));
          await window.connection.start();
          await subscribe();
        },
        { token: jwt, path: PATH, event: LICENCE, ...settings },
      );

    /** Prints the URLs, stops the servers, looks for the token in URLs and logs, and returns the tickets in the URLs. */
    const check = async (t, urls, servers) => {
      urls.forEach((url) => t.diagnostic(url));
      assert.ok(urls.length > 0);
      // No part of the token but its header, which tells nothing.
      const secrets = [jwt, ...jwt.split(".").slice(1)];
      for (const url of urls) {
        for (const secret of secrets) assert.ok(!decodeURIComponent(url).includes(secret), url);
      }
      const tickets = new Set(urls.map((url) => new URL(url).searchParams.get("access_token")).filter(Boolean));
      for (const server of servers) {
        await server.stop();
        assert.match(server.output, /log\.level=.{1,3}trace/);
        for (const secret of [...secrets, ...tickets]) assert.ok(!server.output.includes(secret), secret);
      }
      return [...tickets];
    };

    for (const transport of TRANSPORTS) {
      it(`contain a ticket over ${transport}, which opens nothing else`, async (t) => {
        const server = await start();
        const gateway = await stage.gateway({ hub: server.url });
        const { page, urls } = await openPage(gateway.url);
        await stay(page, { transport });
        assert.equal((await server.publish(licence())).matched, 1);
        await page.waitForFunction(() => window.events.length === 1);

        assert.equal(urls.filter((url) => url.includes("/negotiate")).length, 2);
        const logged = urls.find((url) => url.includes("access_token="))?.replace(/^ws/, "http");
        assert.equal(logged === undefined, transport === "LongPolling");
        const ticket = logged && new URL(logged).searchParams.get("access_token");
        const negotiation = server.hub + "/negotiate?negotiateVersion=1&access_token=" + ticket;
        const headers = transport === "WebSockets" ? UPGRADE : STREAM;
        if (logged) {
          // While the connection lives, and after its end.
          assert.equal(await replay(logged, { headers }), 409);
          assert.equal(await replay(negotiation, { method: "POST" }), 401);
        }
        await page.evaluate(() => window.connection.stop());
        if (logged) {
          const status = async () => replay(logged, { headers });
          // The end of an event stream reaches the server through the gateway.
          while ((await status()) === 409);
          assert.equal(await status(), 401);
          assert.equal(await replay(negotiation, { method: "POST" }), 401);
        }
        const tickets = await check(t, urls, [server]);
        assert.deepEqual(tickets, ticket ? [ticket] : []);
      });
    }

    it("contain tickets when the page is of another origin", async (t) => {
      const site = await stage.gateway();
      const server = await start({ SIGNALHUB_CORS__ORIGINS: site.url });
      const { page, urls } = await openPage(site.url);
      await stay(page, { url: server.hub });
      assert.equal((await check(t, urls, [server])).length, 1);
    });

    it("contain tickets behind nginx as documented", { skip: hasNginx ? false : "nginx is not installed" }, async (t) => {
      const site = await stage.gateway();
      const server = await start({ SIGNALHUB_CORS__ORIGINS: site.url, SIGNALHUB_LISTEN__TRUSTED_PROXIES: "127.0.0.1" });
      const nginx = await Nginx.start([server.url]);
      stage.ending(() => nginx.stop());
      const { page, urls } = await openPage(site.url);
      await stay(page, { url: nginx.url + PATH });
      assert.equal((await check(t, urls, [server])).length, 1);
      for (const url of urls) assert.equal(new URL(url).host, new URL(nginx.url).host);
    });

    it("contain tickets when transports are blocked, and each negotiates again", async (t) => {
      const server = await start();
      const gateway = await stage.gateway({ hub: server.url, refuses: ["upgrade", "event-stream"] });
      const { page, urls } = await openPage(gateway.url);
      await stay(page, {});
      // With the token, with the ticket, and again after the WebSocket and after the event stream.
      assert.equal(urls.filter((url) => url.includes("/negotiate")).length, 4);
      assert.equal((await check(t, urls, [server])).length, 1);
    });

    it("contain one ticket when the client resumes its connection", async (t) => {
      const server = await start({ SIGNALHUB_HUB__STATEFUL_RECONNECT: "true" });
      const gateway = await stage.gateway({ hub: server.url });
      const network = await Cutter.open(gateway.url);
      stage.ending(() => network.close());
      const { page, urls } = await openPage(network.url);
      await stay(page, { stateful: true, transport: "WebSockets" });
      network.arm(0);
      await page.evaluate((event) => window.connection.invoke("Subscribe", { e: event }), LICENCE);
      assert.equal(network.made.reset, 1);
      const sockets = urls.filter((url) => url.startsWith("ws"));
      assert.equal(sockets.length, 2);
      assert.equal(new Set(sockets).size, 1);
      assert.equal((await check(t, urls, [server])).length, 1);
    });

    it("contain another ticket after a restart of the server", async (t) => {
      const server = await start();
      const gateway = await stage.gateway({ hub: server.url });
      const { page, urls } = await openPage(gateway.url);
      await stay(page, {});
      await server.stop();
      const successor = await start({}, new URL(server.url).host);
      await page.evaluate(() => window.back);
      assert.equal((await successor.publish(licence())).matched, 1);
      assert.equal((await check(t, urls, [server, successor])).length, 2);
    });

    it("lead to the configured address behind a proxy that removes a part of the path", async (t) => {
      const server = await start();
      const gateway = await stage.gateway({ hub: server.url, removes: "/realtime" });
      await server.stop();
      const configured = await start({ SIGNALHUB_LISTEN__PUBLIC_URL: gateway.url + "/realtime" }, new URL(server.url).host);
      const page = await stage.page(gateway.url);
      const urls = [];
      page.on("request", (request) => urls.push(request.url()));
      page.on("websocket", (socket) => urls.push(socket.url()));
      await stay(page, { path: "/realtime" + PATH });
      assert.equal((await check(t, urls, [configured])).length, 1);
      assert.ok(urls.filter((url) => url.includes("mainHub")).every((url) => new URL(url).pathname.startsWith("/realtime/")));
    });

    it("contain the token where tickets are turned off", async () => {
      const server = await start({ SIGNALHUB_AUTH__TICKETS: "off" });
      const gateway = await stage.gateway({ hub: server.url });
      const { page, urls } = await openPage(gateway.url);
      await stay(page, { transport: "WebSockets" });
      assert.ok(urls.some((url) => url.includes(jwt)), urls.join("\n"));
    });
  });

  describe(`clients in Node (@microsoft/signalr ${version})`, () => {
    let gateway;
    let servers;
    before(async () => {
      const all = { SIGNALHUB_AUTH__TICKETS: "all" };
      servers = { browsers: await Server.start(), all: await Server.start(undefined, all) };
    });
    after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

    for (const [tickets, negotiations] of [["browsers", 1], ["all", 2]]) {
      for (const transport of TRANSPORTS) {
        it(`negotiate ${negotiations === 1 ? "once" : "twice"} with tickets for ${tickets}, over ${transport}`, async () => {
          gateway = await Gateway.open({ hub: servers[tickets].url });
          const options = { transport: signalR.HttpTransportType[transport] };
          const listener = await connect(signalR, { hub: gateway.url + PATH }, { options });
          await listener.connection.invoke("Subscribe", { e: LICENCE });
          await listener.connection.stop();
          const ways = gateway.seen.filter(([, path]) => path.endsWith("/negotiate"));
          assert.equal(ways.length, negotiations, JSON.stringify(gateway.seen));
          await gateway.close();
        });
      }
    }
  });
}
