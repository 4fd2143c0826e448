// Connections from the handshake to the close.

import { equal, matches, rejects } from "./expect.js";
import { closed, drained, hearing } from "./cell.js";

export default [
  ["the server greets before it takes calls", async (cell) => {
    const connection = cell.build({ path: "/greeting" });
    const order = [];
    for (const method of ["Hello", "Ready"]) connection.on(method, () => order.push(method));
    await connection.start();
    equal(await connection.invoke("Add", 1, 1).then((sum) => order.push(sum)), 3);
    equal(order, ["Hello", "Ready", 2]);
  }],
  ["a hub that refuses closes with an error", async (cell) => {
    const connection = cell.build({ path: "/refusing" });
    const ended = closed(connection);
    // The refusal follows the handshake: the client may see both at once, or the handshake first.
    const said = await connection.start().then(() => ended, (error) => error.message);
    matches(said, /Connection closed with an error/);
    equal(connection.state, "Disconnected");
  }],
  ["an abort by the server closes the connection", async (cell) => {
    const connection = await cell.connect();
    const ended = closed(connection);
    const call = connection.invoke("AbortSelf");
    await Promise.all([ended, call.catch(() => {})]);
    equal(connection.state, "Disconnected");
  }],
  ["stop ends without an error, and what was open with one", async (cell) => {
    const connection = await cell.connect();
    const ended = closed(connection);
    const call = connection.invoke("Delay", 60_000);
    const refused = rejects(call, /Invocation canceled due to the underlying connection being closed/);
    await connection.stop();
    await refused;
    equal(await ended, null);
    equal(connection.state, "Disconnected");
  }],
  ["a stopped connection starts anew with another id", async (cell) => {
    const connection = await cell.connect();
    const first = connection.connectionId;
    equal(await connection.invoke("ConnectionId"), first);
    await connection.stop();
    await connection.start();
    equal(connection.connectionId === first, false);
    equal(await connection.invoke("ConnectionId"), connection.connectionId);
  }],
  ["pings keep a silent connection in both directions", async (cell) => {
    // The hub gives its clients 1.5 s, and the client gives the server 2.5 s; nothing else is sent for 3.5 s.
    const connection = await cell.connect({
      path: "/fast",
      configure: (builder) => builder.withKeepAliveInterval(300).withServerTimeout(2500),
    });
    equal(await drained(connection.stream("CountCancellable", 1, 3500)), { items: [0], error: null });
  }],
  ["a message that is too large closes the connection", async (cell) => {
    const connection = await cell.connect({ path: "/small" });
    equal(await connection.invoke("EchoString", "x".repeat(900)), "x".repeat(900));
    const ended = closed(connection);
    await rejects(connection.invoke("EchoString", "x".repeat(2000)), /./);
    matches(await ended, /./);
  }],
  ["a token names the user, by whichever way it is sent", async (cell) => {
    const named = await cell.connect({ user: "ann & bob = 50% + 1" });
    equal(await named.invoke("User"), "ann & bob = 50% + 1");
    equal(await named.invoke("Restricted"), "secret");
    const anonymous = await cell.connect();
    equal(await anonymous.invoke("User"), null);
    await rejects(anonymous.invoke("Restricted"), /Failed to invoke 'Restricted' because user is unauthorized/);
  }],
  ["a client without permission gets an error", async (cell) => {
    await rejects(cell.connect({ path: "/authorized" }), /401/);
    await rejects(cell.connect({ path: "/authorized", user: "bad" }), /401/);
    await rejects(cell.connect({ path: "/annsonly", user: "bob" }), /403/);
    const ann = await cell.connect({ path: "/annsonly", user: "ann" });
    equal(await ann.invoke("User"), "ann");
  }],
  ["an expired token ends the connection", async (cell) => {
    const connection = await cell.connect({ path: "/authorized", user: "ann;1" });
    await closed(connection);
    equal(connection.state, "Disconnected");
  }],
  ["large messages come whole", async (cell) => {
    const connection = await cell.connect();
    const heard = hearing(connection, "large");
    const large = "ž".repeat(15_000);
    for (let count = 0; count < 20; count++) await connection.send("SendSelf", "large", large);
    equal((await heard.until(20)).every((value) => value === large), true);
  }],
];
