// The sample of the Portos documents, as it stands there.

import assert from "node:assert/strict";
import { it } from "node:test";

import { changed, licence } from "../support/events.js";
import { withEachClient } from "../support/suite.js";
import { token as signed } from "../support/token.js";

withEachClient("the sample of Portos", (suite) => {
  it("runs word for word", async () => {
    const { signalR, server } = suite;
    const token = signed();
    const serverAddress = server.url;
    const resources = [];
    const licences = [];
    let arrived;

    const connection = new signalR.HubConnectionBuilder()
        .withUrl(serverAddress + "/signalr/v1/mainHub", {
            accessTokenFactory: () => token
        })
        .build();

    connection.on("OnEvent", function (message) {
        // Handle the notification (e.g., update UI)
        if (message.e == "portos.resources.changed") {
            // Resource has been changed
            resources.push(message);
        } else if (message.e == "portos.licence.activated") {
            // Product license has been activated
            const newLicense = message.p;
            licences.push(newLicense);
        }
        arrived();
    });
    const next = () => new Promise((resolve) => (arrived = resolve));

    // Start the connection
    await connection.start();

    // Prepare the subscription payload
    const subscriptionPayload = {
        e: "portos.resources.changed", // event name
        r: [ // optional collection of resources
            {
                n: "devices", // resource name
                a: [ // optional collection of actions
                    "created",
                    "updated",
                    "deleted"
                ]
            }
        ]
    };

    // Send the 'Subscribe' message with the payload
    assert.equal(await connection.invoke("Subscribe", subscriptionPayload), null);

    let heard = next();
    assert.equal((await server.publish(changed("devices", 1))).matched, 1);
    await heard;
    assert.equal((await server.publish(changed("tickets", 1))).matched, 0);
    assert.equal(resources.length, 1);

    // Prepare the same payload as for subscription
    const payload = {
        e: "portos.licence.activated" // event name
    };
    assert.equal(await connection.invoke("Subscribe", payload), null);

    heard = next();
    assert.equal((await server.publish(licence({ shopId: 123456 }))).matched, 1);
    await heard;
    assert.deepEqual(licences, [{ shopId: 123456 }]);

    // Send the 'Unsubscribe' message with the payload
    assert.equal(await connection.invoke("Unsubscribe", payload), null);
    assert.equal((await server.publish(licence({ shopId: 123456 }))).matched, 0);
    await connection.stop();
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
