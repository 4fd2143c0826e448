// One server for the tests of a file, and a place to connect clients that are stopped after each test.

import { after, afterEach, before, describe } from "node:test";

import { libraries } from "./libraries.js";
import { connect } from "./listener.js";
import { Server } from "./server.js";

/** Describes claims that hold for every version of the official client. */
export function withEachClient(title, claims) {
  for (const { version, signalR } of libraries) {
    describe(`${title} (@microsoft/signalr ${version})`, () => {
      const suite = { signalR, server: undefined, connect: undefined };
      const listeners = [];
      suite.connect = async (settings) => {
        const listener = await connect(signalR, suite.server, settings);
        listeners.push(listener);
        return listener;
      };
      before(async () => {
        suite.server = await Server.start();
      });
      afterEach(() => Promise.all(listeners.splice(0).map((listener) => listener.connection.stop())));
      after(() => suite.server.stop());
      claims(suite);
    });
  }
}
