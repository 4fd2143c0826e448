// What a client of Portos does. It runs in Node and in pages; `publish` is given to it, because pages have no key for that.

import { speaking } from "./cell.js";
import { equal } from "./expect.js";

const UNICODE = { note: "Žltý kôň 👩‍👩‍👧‍👦 日本語 עברית \u2028\u0000\ufeff", "kľúč": ["ä", "e\u0301", "\u{10ffff}"] };

/** The sample of the documents, word for word where it can be. */
export async function sample(signalR, { serverAddress, token, publish, changed, licence }) {
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
  equal(await connection.invoke("Subscribe", subscriptionPayload), null);

  let heard = next();
  equal((await publish(changed.devices)).matched, 1);
  await heard;
  equal((await publish(changed.tickets)).matched, 0);
  equal(resources.length, 1);

  // Prepare the same payload as for subscription
  const payload = {
      e: "portos.licence.activated" // event name
  };
  equal(await connection.invoke("Subscribe", payload), null);

  heard = next();
  equal((await publish(licence)).matched, 1);
  await heard;
  equal(licences, [licence.p]);

  // Send the 'Unsubscribe' message with the payload
  equal(await connection.invoke("Unsubscribe", payload), null);
  equal((await publish(licence)).matched, 0);
  await connection.stop();
}

/** Connects, receives one licence event with every kind of letter in it, and disconnects; `options` are those of `withUrl`. */
export async function hear(signalR, { url, token, transport, protocol, options, publish }) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(url, {
      ...(token && { accessTokenFactory: () => token }),
      ...(transport && { transport: signalR.HttpTransportType[transport] }),
      ...options,
    })
    .configureLogging(signalR.LogLevel.None);
  const connection = speaking(signalR, protocol, builder).build();
  const heard = new Promise((resolve) => connection.on("OnEvent", resolve));
  await connection.start();
  try {
    await connection.invoke("Subscribe", { e: "portos.licence.activated" });
    await publish({ e: "portos.licence.activated", p: UNICODE });
    equal((await heard).p, UNICODE);
  } finally {
    await connection.stop();
  }
}
