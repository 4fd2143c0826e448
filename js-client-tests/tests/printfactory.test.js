// The WebSocket client ws as a listener of PrintFactory, against the binary.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import WebSocket from "ws";

import { Certificate, withoutOpenssl } from "../support/certificate.js";
import { built } from "../support/program.js";
import { Server } from "../support/server.js";

const JOB = '{"JobGUID":"DD6BDDF6-74BA-4BD0-AC48-94A251A8ECA6","Status":"Created"}';

for (const scheme of ["ws", "wss"]) {
  describe(`a PrintFactory listener over ${scheme}`, { skip: scheme === "wss" && withoutOpenssl }, () => {
    const folder = mkdtempSync(join(tmpdir(), "signalhub-printfactory-"));
    const settings = {
      SIGNALHUB_DIALECTS__PRINTFACTORY__LISTEN: "127.0.0.1:0",
      SIGNALHUB_DIALECTS__PRINTFACTORY__KEYS: join(folder, "keys.json"),
    };
    let certificate, server, url;
    before(async () => {
      if (scheme === "wss") certificate = new Certificate();
      miskey("generate", "acme", "first");
      server = await Server.start(undefined, { ...settings, ...certificate?.settings });
      const [, address] = await server.logged(/serving a dialect.*printfactory.*?(127\.0\.0\.1:\d+)/);
      url = `${scheme}://${address}`;
    });
    after(async () => {
      await server.stop();
      certificate?.remove();
      rmSync(folder, { recursive: true });
    });

    /** Runs `signalhub miskey`, and returns what it prints. */
    const miskey = (command, org, user) =>
      execFileSync(built("signalhub", "SIGNALHUB_BINARY"), ["miskey", command, "--org", org, "--user", user], {
        env: settings,
        encoding: "utf8",
      }).trim();
    /** Makes the running server read the keys again. */
    const replaced = () => server.hangUp(/the MisKeys were replaced/);
    const open = (key) => new WebSocket(url, { headers: { MisKey: key }, ca: certificate?.pem });
    /** Connects, and waits until the connection gets events. */
    const connect = async (key) => {
      const socket = open(key);
      await once(socket, "open");
      socket.ping();
      await once(socket, "pong");
      return socket;
    };
    const closed = async (socket) => {
      const [code, reason] = await once(socket, "close");
      return [code, reason.toString()];
    };

    it("gets what is published for its organisation, until its key is cancelled", async () => {
      const key = miskey("regenerate", "acme", "first");
      await replaced();
      const socket = await connect(key);
      const arriving = once(socket, "message");
      const { matched } = await server.publish({ e: "printfactory.job.changed", org: "acme", p: JSON.parse(JOB) });
      assert.equal(matched, 1);
      const [data, isBinary] = await arriving;
      assert.deepEqual([data.toString(), isBinary], [JOB, false]);
      const next = await connect(key);
      assert.deepEqual(await closed(socket), [4409, "replaced by a newer connection"]);
      miskey("cancel", "acme", "first");
      server.hangUp(/./);
      assert.deepEqual(await closed(next), [1008, "the MisKey is no longer valid"]);
    });

    it("is refused with JSON when its key is not known", async () => {
      const socket = open("dd6bddf6-74ba-4bd0-ac48-94a251a8eca6");
      const [, response] = await once(socket, "unexpected-response");
      let body = "";
      for await (const piece of response.setEncoding("utf8")) body += piece;
      assert.deepEqual(
        [response.statusCode, response.headers["content-type"], body],
        [401, "application/json", '{"Message":"Invalid MisKey"}'],
      );
    });
  });
}
