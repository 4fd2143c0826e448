// Streams: from the server, from the client, and both in one call.

import { equal, matches, rejects } from "./expect.js";
import { drained } from "./cell.js";

const numbers = (count) => Array.from({ length: count }, (_, number) => number);

/** The items of a stream one by one. */
function items(stream) {
  const arrived = [];
  const waiting = [];
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const subscription = stream.subscribe({
    next: (item) => (waiting.length > 0 ? waiting.shift()(item) : arrived.push(item)),
    error: (error) => end(error.message),
    complete: () => end(null),
  });
  const next = () => (arrived.length > 0 ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve)));
  return { next, ended, dispose: () => subscription.dispose() };
}

export default [
  ["a stream gives its items in order and ends", async (cell) => {
    const connection = await cell.connect();
    equal(await drained(connection.stream("Count", 500, 0)), { items: numbers(500), error: null });
    equal(await drained(connection.stream("Count", 0, 0)), { items: [], error: null });
  }],
  ["streams run beside each other and beside calls", async (cell) => {
    const connection = await cell.connect();
    const streams = [connection.stream("Count", 20, 5), connection.stream("Count", 30, 2)].map(drained);
    equal(await connection.invoke("Add", 1, 1), 2);
    equal((await Promise.all(streams)).map(({ items }) => items.length), [20, 30]);
  }],
  ["a stream that fails midway gives what came before", async (cell) => {
    const connection = await cell.connect();
    const failed = await drained(connection.stream("CountThenThrow", 3));
    equal(failed.items, [0, 1, 2]);
    matches(failed.error, /^An error occurred on the server while streaming results\.$/);
    const refused = await drained(connection.stream("CountThenThrowHub", 2));
    equal(refused.items, [0, 1]);
    matches(refused.error, /stream refused/);
  }],
  ["a stream that cannot begin says why", async (cell) => {
    const connection = await cell.connect();
    equal((await drained(connection.stream("Count", "many", 0))).error, "Failed to invoke 'Count' due to an error on the server.");
    matches((await drained(connection.stream("Add", 1, 2))).error, /streaming/);
    matches((await drained(connection.stream("Nowhere"))).error, /Method does not exist/);
  }],
  ["a disposed stream is cancelled, and the connection lives on", async (cell) => {
    const connection = await cell.connect();
    for (const method of ["CountCancellable", "Count"]) {
      const stream = items(connection.stream(method, 200, 2));
      equal([await stream.next(), await stream.next(), await stream.next()], [0, 1, 2]);
      stream.dispose();
    }
    equal(await connection.invoke("Add", 1, 1), 2);
  }],
  ["an upload is taken item by item", async (cell) => {
    const connection = await cell.connect();
    const subject = new cell.signalR.Subject();
    const sum = connection.invoke("Sum", subject);
    numbers(300).forEach((number) => subject.next(number));
    subject.complete();
    equal(await sum, 44_850);
  }],
  ["an upload may be empty", async (cell) => {
    const connection = await cell.connect();
    const subject = new cell.signalR.Subject();
    const sum = connection.invoke("Sum", subject);
    subject.complete();
    equal(await sum, 0);
  }],
  ["several uploads run at once", async (cell) => {
    const connection = await cell.connect({ path: "/parallel" });
    const subjects = numbers(3).map(() => new cell.signalR.Subject());
    const sums = subjects.map((subject) => connection.invoke("Sum", subject));
    for (const number of numbers(10)) subjects.forEach((subject, index) => subject.next(number * 10 ** index));
    [...subjects].reverse().forEach((subject) => subject.complete());
    equal(await Promise.all(sums), [45, 450, 4500]);
  }],
  ["an upload that fails ends its call", async (cell) => {
    const connection = await cell.connect();
    const subject = new cell.signalR.Subject();
    const sum = connection.invoke("Sum", subject);
    subject.next(1);
    subject.error(new Error("out of numbers"));
    await rejects(sum, /^An unexpected error occurred invoking 'Sum' on the server\./);
    equal(await connection.invoke("Add", 1, 1), 2);
  }],
  ["an item of the wrong type ends its upload", async (cell) => {
    const connection = await cell.connect();
    const subject = new cell.signalR.Subject();
    const sum = connection.invoke("Sum", subject);
    subject.next("one");
    await rejects(sum, /./);
    equal(await connection.invoke("Add", 1, 1), 2);
  }],
  ["items go both ways in one call, each before the next", async (cell) => {
    const connection = await cell.connect();
    const subject = new cell.signalR.Subject();
    const echo = items(connection.stream("UploadEcho", subject));
    for (const word of ["one", "dva", "三"]) {
      subject.next(word);
      equal(await echo.next(), word);
    }
    subject.complete();
    equal(await echo.ended, null);
  }],
];
