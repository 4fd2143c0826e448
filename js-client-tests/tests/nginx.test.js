// The documented nginx in front of the server, with each transport.

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
      nginx = await Nginx.start(server.url);
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
