// Calls: values come back unchanged, and failures are reported to the caller.

import { equal, rejects } from "./expect.js";
import { hearing } from "./cell.js";

// Each row: the claim, the method, values that come back unchanged.
const ECHOES = [
  ["strings", "EchoString", ["", "plain", " \t\r\n", "\"quoted\\\"", "</script>", "a\u0000b", "x".repeat(20_000)]],
  ["Unicode", "EchoString", ["Žltý kôň – čaj s citrónom", "日本語", "עברית", "👩‍👩‍👧‍👦 🏳️‍🌈", "\u2028\u2029\ufeff\u001e", "e\u0301", "\u{10ffff}"]],
  ["integers", "EchoInt", [0, 1, -1, 2_147_483_647, -2_147_483_648]],
  ["fractions", "EchoDouble", [0, -0.5, 1.5, 1e-7, 1.7976931348623157e308, 5e-324, 9_007_199_254_740_991]],
  ["any JSON", "EchoAny", [null, true, false, 7, 2.5, "text", [], [1, [null, { a: [] }]], {}, { a: { b: { c: null } }, "": "empty" }]],
];

const KEY = "0f8fad5b-d9cb-469f-a165-70867728950e";

// Member names are spelt as in each protocol.
const OBJECT = {
  json: { id: 7, name: "čaj", created: "2024-07-01T12:51:52Z", key: KEY, values: [1, 2] },
  messagepack: { Id: 7, Name: "čaj", Created: new Date("2024-07-01T12:51:52Z"), Key: KEY, Values: [1, 2] },
};

const BYTES = {
  json: ["", "AA==", "AP+A", "SGVsbG8="],
  messagepack: [[], [0], [0, 255, 128], [72, 101, 108, 108, 111]].map((bytes) => new Uint8Array(bytes)),
};

const echoes = ECHOES.map(([claim, method, values]) => [
  `calls carry ${claim} there and back`,
  async (cell) => {
    const connection = await cell.connect();
    for (const value of values) equal(await connection.invoke(method, value), value);
  },
]);

// Each row: the claim, the call, the error that the caller gets.
const REFUSALS = [
  ["the text of a HubException", ["ThrowHub", "no: žltý"], /HubException: no: žltý$/],
  ["nothing of another failure", ["Throw", "internals"], /^An unexpected error occurred invoking 'Throw' on the server\.$/],
  ["a method that is not there", ["Nowhere"], /HubException: Method does not exist\.$/],
  ["an argument of the wrong type", ["EchoInt", "seven"], /^Failed to invoke 'EchoInt' due to an error on the server\.$/],
  ["an integer that is too large", ["EchoInt", 2_147_483_648], /^Failed to invoke 'EchoInt' due to an error on the server\.$/],
  ["a missing argument", ["Add", 1], /^Failed to invoke 'Add' due to an error on the server\.$/],
  ["an argument too many", ["Add", 1, 2, 3], /^Failed to invoke 'Add' due to an error on the server\.$/],
  ["a stream where a call is meant", ["Count", 1, 0], /streaming/],
];

export default [
  ...echoes,
  ["calls carry bytes there and back", async (cell) => {
    const connection = await cell.connect();
    for (const value of cell.in(BYTES)) equal(await connection.invoke("EchoBytes", value), value);
  }],
  ["calls carry objects; JSON takes their members in any case", async (cell) => {
    const connection = await cell.connect();
    const object = cell.in(OBJECT);
    equal(await connection.invoke("EchoObject", object), object);
    const other = await connection.invoke("echoobject", { Id: 3, NAME: "x" });
    equal(cell.in({ json: [other.id, other.name], messagepack: [other.Id] }), cell.in({ json: [3, "x"], messagepack: [3] }));
  }],
  ["calls take several arguments, and may answer nothing", async (cell) => {
    const connection = await cell.connect();
    equal(await connection.invoke("Add", 2, 3), 5);
    equal(await connection.invoke("NoResult"), null);
    equal(await connection.invoke("ReturnNull"), null);
    equal(await connection.invoke("renamed"), "renamed result");
  }],
  ["errors are said to the caller, and cost nothing but the call", async (cell) => {
    const connection = await cell.connect();
    for (const [, call, said] of REFUSALS) await rejects(connection.invoke(...call), said);
    equal(await connection.invoke("Add", 2, 3), 5);
  }],
  ["errors are detailed where the hub is open about them", async (cell) => {
    const connection = await cell.connect({ path: "/detailed" });
    await rejects(connection.invoke("Throw", "internals"), /InvalidOperationException: internals$/);
  }],
  ["a message sent without waiting for it arrives", async (cell) => {
    const connection = await cell.connect();
    const heard = hearing(connection, "heard");
    await connection.send("SendSelf", "heard", "one");
    equal(await heard.until(1), ["one"]);
  }],
  ["the server calls with values of every kind", async (cell) => {
    const connection = await cell.connect();
    const heard = hearing(connection, "many");
    await connection.invoke("SendSelfMany", "many");
    const three = cell.in({ json: { three: 3.5 }, messagepack: { Three: 3.5 } });
    equal(await heard.until(1), [[1, "two", null, true, three]]);
  }],
  ["two hundred calls at once are each answered with their own result", async (cell) => {
    const connection = await cell.connect();
    const order = [];
    const calls = Array.from({ length: 200 }, async (_, number) => {
      equal(await connection.invoke("Add", number, 1), number + 1);
      order.push(number);
    });
    await Promise.all(calls);
    equal(order, [...order].sort((a, b) => a - b), "the order of answers:");
  }],
  ["calls of one client run one after another", async (cell) => {
    const connection = await cell.connect();
    const order = [];
    const slow = connection.invoke("Delay", 150).then(() => order.push("slow"));
    await Promise.all([slow, connection.invoke("Add", 1, 1).then(() => order.push("fast"))]);
    equal(order, ["slow", "fast"]);
  }],
  ["calls of one client run side by side where the hub allows it", async (cell) => {
    const connection = await cell.connect({ path: "/parallel" });
    const order = [];
    const slow = connection.invoke("Delay", 300).then(() => order.push("slow"));
    await Promise.all([slow, connection.invoke("Add", 1, 1).then(() => order.push("fast"))]);
    equal(order, ["fast", "slow"]);
  }],
];
