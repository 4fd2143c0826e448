// The documented nginx in front of the server, with each transport.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, before, describe, it } from "node:test";

import { hear } from "../features/portos.js";
import { libraries } from "../support/libraries.js";
import { Nginx, hasNginx } from "../support/nginx.js";
import { Server } from "../support/server.js";
import { token } from "../support/token.js";

const skip = hasNginx ? false : "nginx is not installed";

for (const { version, signalR } of libraries) {
  describe(`behind nginx as documented (@microsoft/signalr ${version})`, { skip }, () => {
    let server, nginx;
    before(async () => {
      server = await Server.start("127.0.0.1:0", { SIGNALHUB_LISTEN__TRUSTED_PROXIES: "127.0.0.1" });
      nginx = await Nginx.start([server.url]);
    });
    after(async () => {
      await nginx.stop();
      await server.stop();
    });

    for (const transport of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
      it(`events come while the connection stands, over ${transport}`, () =>
        hear(signalR, {
          url: nginx.url + "/signalr/v1/mainHub",
          token: token(),
          transport,
          publish: (event) => server.publish(event),
        }));
    }
  });
}

/** Negotiates from an address of this machine, with headers of its own, and returns the status. */
function negotiate(url, localAddress, headers = {}) {
  return new Promise((resolve, reject) => {
    const all = { Authorization: `Bearer ${token()}`, "Content-Length": 0, ...headers };
    const asked = request(`${url}/signalr/v1/mainHub/negotiate?negotiateVersion=1`, { method: "POST", localAddress, headers: all });
    asked.once("error", reject).once("response", (answer) => resolve(answer.resume().statusCode)).end();
  });
}

describe("the forwarded headers of nginx as documented", { skip }, () => {
  // Each row: which proxies are trusted, and the status of one client after another where each address may have one connection.
  const FORGED = { "X-Forwarded-For": "10.1.2.3", Forwarded: "for=10.1.2.3" };
  const ROWS = [
    ["tell clients apart by their address, and nothing else does", "127.0.0.1", [
      ["127.0.0.1", {}, 200], ["127.0.0.2", {}, 200], ["127.0.0.2", {}, 429], ["127.0.0.2", FORGED, 429], ["127.0.0.3", FORGED, 200],
    ]],
    ["mean nothing where nginx is not trusted", "", [["127.0.0.1", {}, 200], ["127.0.0.2", {}, 429], ["127.0.0.2", FORGED, 429]]],
  ];
  for (const [claim, trusted, attempts] of ROWS) {
    it(claim, async (t) => {
      const settings = { SIGNALHUB_LISTEN__TRUSTED_PROXIES: trusted || undefined, SIGNALHUB_LIMITS__CONNECTIONS_PER_ADDRESS: "1" };
      const server = await Server.start("127.0.0.1:0", settings);
      t.after(() => server.stop());
      const nginx = await Nginx.start([server.url]);
      t.after(() => nginx.stop());
      for (const [address, headers, status] of attempts) {
        assert.equal(await negotiate(nginx.url, address, headers), status, `${address} with ${JSON.stringify(headers)}`);
      }
    });
  }
});

describe("nginx as documented in front of several nodes", { skip }, () => {
  it("does not repeat a poll at another node when its answer is lost", async (t) => {
    let polls = 0;
    const nodes = await Promise.all(
      [1, 2].map(async () => {
        const node = createServer((asked, answer) => {
          if (asked.url.startsWith("/health")) return void answer.end("ok");
          polls++;
          asked.socket.destroy();
        });
        await new Promise((resolve) => node.listen(0, "127.0.0.1", resolve));
        t.after(() => node.close());
        return `http://127.0.0.1:${node.address().port}`;
      }),
    );
    const nginx = await Nginx.start(nodes);
    t.after(() => nginx.stop());
    const { status } = await fetch(`${nginx.url}/signalr/v1/mainHub?id=1`);
    assert.deepEqual([status, polls], [502, 1]);
  });
});
