// Many clients at once, of any official library, each of whose requests may reach any node.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { speaking } from "../features/cell.js";
import { LICENCE, licence } from "../features/events.js";
import { endWithTests } from "../support/program.js";
import { token } from "../support/token.js";

/** How long clients may take to connect, and to get their events, in milliseconds. */
const PATIENCE = 60_000;

const hub = (url) => `${url}/signalr/v1/mainHub`;

/** A client that is not started, with the numbers of the events that it gets. */
export function listener(signalR, url, configure, options) {
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(hub(url), { accessTokenFactory: () => token(), ...options })
    .configureLogging(signalR.LogLevel.None);
  const connection = configure(builder).build();
  const heard = [];
  let arrived = () => {};
  connection.on("OnEvent", ({ p }) => arrived(heard.push(p.number)));
  const until = async (count) => {
    while (heard.length < count) await new Promise((resolve) => (arrived = resolve));
  };
  return { connection, heard, until };
}

/** The official JavaScript client, in this process. */
export function javascriptCrowd({ version, signalR }) {
  const ways = [["WebSockets", "json"], ["WebSockets", "messagepack"], ["ServerSentEvents", "json"], ["LongPolling", "json"], ["LongPolling", "messagepack"]];
  const start = async (url) => {
    let listeners;
    return {
      ways: ways.map(([transport, protocol]) => `${transport}, ${protocol}`),
      connect: async (way, clients) => {
        const [transport, protocol] = ways[way];
        const options = { transport: signalR.HttpTransportType[transport] };
        listeners = Array.from({ length: clients }, () => listener(signalR, url, (builder) => speaking(signalR, protocol, builder), options));
        await Promise.all(listeners.map(({ connection }) => connection.start()));
        await Promise.all(listeners.map(({ connection }) => connection.invoke("Subscribe", { e: LICENCE })));
      },
      got: async (events) => {
        await Promise.all(listeners.map(({ until }) => until(events)));
        await Promise.all(listeners.map(({ connection }) => connection.stop()));
        return listeners.map(({ heard }) => heard);
      },
      stop: async () => {},
    };
  };
  return { title: `@microsoft/signalr ${version}`, start };
}

/**
 * A library in a program of its own. It gets the URL of the hub, a token and the request in its environment, and prints the ways in which
 * it connects. For each line of JSON with a way, a number of clients and a number of events it connects these clients and prints that
 * they are ready, and prints the numbers that each of them got once it has disconnected them; until its input ends.
 */
export function spawnedCrowd({ title, folder, command: [program, ...args] }) {
  const start = async (url) => {
    const told = { CROWD_HUB: hub(url), CROWD_TOKEN: token(), CROWD_REQUEST: JSON.stringify({ e: LICENCE }) };
    const child = endWithTests(spawn(program, args, { cwd: folder, env: { ...process.env, ...told }, stdio: ["pipe", "pipe", "inherit"] }));
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const said = async (member) => {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`${title} has ended`);
        // Maven prints other things, too.
        const at = value.indexOf("{");
        if (at < 0) continue;
        const line = JSON.parse(value.slice(at));
        if (member in line) return line[member];
        throw new Error(`${title}: ${value}`);
      }
    };
    return {
      ways: await said("ways"),
      connect: (way, clients, events) => {
        child.stdin.write(`${JSON.stringify({ way, clients, events })}\n`);
        return said("ready");
      },
      got: () => said("got"),
      stop: () => (child.stdin.end(), ended),
    };
  };
  return { title, start };
}

/**
 * Connects this number of clients in one way, publishes events at all nodes in turn, and returns the clients that did not get each of them once and in
 * order, and how many requests nodes have forwarded to others, and failed to.
 */
export async function round(cluster, crowd, way, { clients, events }) {
  const before = await counts(cluster);
  await inTime(crowd.connect(way, clients, events), "clients have not connected");
  const expected = Array.from({ length: events }, (_, number) => number);
  for (const number of expected) await cluster.nodes[number % cluster.nodes.length].server.publish(licence({ number }));
  const got = await inTime(crowd.got(events), "clients have not got their events");
  const after = await counts(cluster);
  return {
    wrong: got.filter((numbers) => JSON.stringify(numbers) !== JSON.stringify(expected)),
    forwards: after.forwards - before.forwards,
    failures: after.failures - before.failures,
  };
}

async function counts(cluster) {
  return {
    forwards: await cluster.metric("signalhub_cluster_forwards_total"),
    failures: await cluster.metric("signalhub_cluster_forward_failures_total"),
  };
}

async function inTime(promise, problem) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${problem} in ${PATIENCE / 1_000} s`)), PATIENCE)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
