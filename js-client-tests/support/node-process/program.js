// Runs features as it is told to by the process that started it.

import { libraries, oldest } from "../libraries.js";

const calls = [];

/** A function of the other process. */
const remote = (id, name) => (...values) =>
  new Promise((resolve, reject) => {
    process.send({ id, call: { number: calls.push({ resolve, reject }) - 1, name, values } });
  });

async function run({ id, version, module, name, settings, exposed }) {
  const { signalR } = [...libraries, oldest].find((library) => library.version === version);
  const features = await import(`../../features/${module}.js`);
  const functions = Object.fromEntries(exposed.map((name) => [name, remote(id, name)]));
  await features[name](signalR, { ...settings, ...functions });
}

process.on("message", (message) => {
  if (message.answered !== undefined) {
    const { resolve, reject } = calls[message.answered];
    return void (message.error === undefined ? resolve(message.result) : reject(new Error(message.error)));
  }
  run(message).then(
    () => process.send({ id: message.id }),
    (error) => process.send({ id: message.id, error: error.stack }),
  );
});
