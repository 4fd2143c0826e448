// The sample of the Portos documents, as it stands there.

import assert from "node:assert/strict";
import { it } from "node:test";

import { sample } from "../features/portos.js";
import { changed, licence } from "../features/events.js";
import { withEachClient } from "../support/suite.js";
import { token } from "../support/token.js";

withEachClient("the sample of Portos", (suite) => {
  it("runs word for word", async () => {
    const { signalR, server } = suite;
    await sample(signalR, {
      serverAddress: server.url,
      token: token(),
      publish: (event) => server.publish(event),
      changed: { devices: changed("devices", 1), tickets: changed("tickets", 1) },
      licence: licence(),
    });
  });

  it("receives the notification of the documents, member for member", async () => {
    const listener = await suite.connect();
    await listener.subscribe({ e: "portos.resources.changed" });
    const heard = new Promise((resolve) => listener.connection.on("OnEvent", resolve));
    const payload = {
      u: { u: "999", d: "BackOffice", f: null },
      n: "tickets",
      a: 1,
      i: { i: "573f4511088c772684a738f8", n: "tickets", v: 7 },
      r: [{ number: 12, note: "čaj s citrónom", lines: [{ price: 1.5 }] }],
    };
    await suite.server.publish({ e: "portos.resources.changed", p: payload, ea: null });
    const notification = await heard;
    assert.match(notification.ca, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(notification.ca) - Date.now()) < 60_000, notification.ca);
    assert.equal(typeof notification.s.c, "string");
    // As text, so that the order of the members counts too.
    const expected = {
      e: "portos.resources.changed",
      s: { c: notification.s.c, u: { u: "SYSTEM", d: "SYSTEM", f: null } },
      r: null,
      ca: notification.ca,
      ea: null,
      p: payload,
    };
    assert.equal(JSON.stringify(notification), JSON.stringify(expected));
  });
});
