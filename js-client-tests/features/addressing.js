// Which clients receive a message, and calls from the server that clients answer.

import { equal, rejects, unique } from "./expect.js";
import { hearing } from "./cell.js";

/** Sends to all clients and waits for it: a message that has not arrived before is never delivered. */
async function settled(connections) {
  const last = unique("last");
  const ends = connections.map((connection) => hearing(connection, last));
  await connections[0].invoke("SendAll", last, "");
  await Promise.all(ends.map((end) => end.until(1)));
}

/** Several connections with a method of their own; `send` sends and returns what each has received. */
async function crowd(cell, settings) {
  const connections = await Promise.all(settings.map((each) => cell.connect(each)));
  const method = unique("heard");
  const heard = connections.map((connection) => hearing(connection, method).calls);
  const send = async (from, ...call) => {
    const [target, ...words] = call;
    const word = words.pop();
    await connections[from].invoke(target, ...words, method, word);
    await settled(connections);
    return heard.map((calls) => calls.splice(0));
  };
  return { connections, send };
}

export default [
  ["all hear, others hear, the caller hears", async (cell) => {
    const { send } = await crowd(cell, [{}, {}, {}]);
    equal(await send(0, "SendAll", "x"), [["x"], ["x"], ["x"]]);
    equal(await send(1, "SendOthers", "y"), [["y"], [], ["y"]]);
    equal(await send(2, "SendSelf", "z"), [[], [], ["z"]]);
  }],
  ["groups are joined and left", async (cell) => {
    const { connections, send } = await crowd(cell, [{}, {}, {}]);
    const group = unique("žltá skupina");
    await connections[0].invoke("Join", group);
    await connections[1].invoke("Join", group);
    await connections[1].invoke("Join", group);
    equal(await send(2, "SendGroup", group, "a"), [["a"], ["a"], []]);
    equal(await send(0, "SendGroupOthers", group, "b"), [[], ["b"], []]);
    equal(await send(2, "SendGroupOthers", group, "c"), [["c"], ["c"], []]);
    await connections[0].invoke("Leave", group);
    await connections[2].invoke("Leave", group);
    equal(await send(0, "SendGroup", group, "d"), [[], ["d"], []]);
    equal(await send(0, "SendGroup", unique("unused"), "e"), [[], [], []]);
  }],
  ["a connection that has ended is in no group", async (cell) => {
    const { connections, send } = await crowd(cell, [{}, {}]);
    const gone = await cell.connect();
    const group = unique("group");
    for (const connection of [...connections, gone]) await connection.invoke("Join", group);
    await gone.stop();
    equal(await send(0, "SendGroup", group, "a"), [["a"], ["a"]]);
    // A new connection of the same client begins without groups.
    const heard = hearing(gone, "again");
    await gone.start();
    await connections[0].invoke("SendGroup", group, "again", "b");
    await settled([...connections, gone]);
    equal(heard.calls, []);
  }],
  ["a user hears on every connection", async (cell) => {
    const [ann, bob] = [unique("ann"), unique("bob")];
    const { connections, send } = await crowd(cell, [{ user: ann }, { user: ann }, { user: bob }]);
    equal(await send(2, "SendUser", ann, "x"), [["x"], ["x"], []]);
    equal(await send(0, "SendUser", bob, "y"), [[], [], ["y"]]);
    equal(await send(0, "SendUser", ann.toUpperCase(), "z"), [[], [], []]);
    equal(await connections[2].invoke("User"), bob);
  }],
  ["the client's answer is the result of the server's question", async (cell) => {
    const connection = await cell.connect({ path: "/parallel" });
    connection.on("now", (word) => `${word}!`);
    connection.on("later", async (word) => `${await Promise.resolve(word)}?`);
    equal(await connection.invoke("AskCaller", "now", "áno"), "áno!");
    equal(await connection.invoke("AskCaller", "later", "nie"), "nie?");
    const answers = ["1", "2", "3"].map((word) => connection.invoke("AskCaller", "later", word));
    equal(await Promise.all(answers), ["1?", "2?", "3?"]);
  }],
  ["a question that the client fails, or cannot answer, fails", async (cell) => {
    const connection = await cell.connect({ path: "/parallel" });
    connection.on("throws", () => {
      throw new Error("client says no");
    });
    await rejects(connection.invoke("AskCaller", "throws", "x"), /client says no|unexpected error occurred invoking 'AskCaller'/);
    await rejects(connection.invoke("AskCaller", "missing", "x"), /Client didn't provide a result|unexpected error occurred invoking 'AskCaller'/);
    equal(await connection.invoke("Add", 1, 1), 2);
  }],
  ["a question that the client answers with the wrong type fails", async (cell) => {
    const connection = await cell.connect({ path: "/parallel" });
    connection.on("object", () => ({ not: "a string" }));
    // The original closes the connection for what this client sends; this server only fails the call.
    await rejects(connection.invoke("AskCaller", "object", "x"), /invoking 'AskCaller'|Connection closed with an error/);
  }],
  ["a call that waits for the client lets the client's next call run", async (cell) => {
    const connection = await cell.connect();
    connection.on("nested", (word) => connection.invoke("EchoString", `${word}!`));
    equal(await connection.invoke("AskCaller", "nested", "x"), "x!");
  }],
];
