// Official clients with the access tokens of a real OpenID provider, whose keys the server discovers and fetches.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { SignJWT, decodeProtectedHeader, generateKeyPair } from "jose";

import { LICENCE, brief, licence } from "../features/events.js";
import { settle } from "../features/listener.js";
import { withoutOpenssl } from "../support/certificate.js";
import { libraries } from "../support/libraries.js";
import { connect } from "../support/listener.js";
import { ALGORITHMS, AUDIENCE, Provider } from "../support/provider.js";
import { Server } from "../support/server.js";

/** The shortest time between two fetches of keys, which is also how long a client waits before it tries once more. */
const INTERVAL = 1000;

const [{ signalR }] = libraries;

const ISSUED_ROLES = { roles_claim: "roles", grants_by_role: { dispatcher: [LICENCE] } };

describe("with an OpenID provider", { skip: withoutOpenssl }, () => {
  let provider;
  let server;
  before(async () => {
    provider = await Provider.start();
    const times = { SIGNALHUB_AUTH__JWKS_MINIMUM_INTERVAL: "1s", SIGNALHUB_AUTH__DEFAULT_GRANTS: "none" };
    server = await Server.start("127.0.0.1:0", { ...provider.settings(ISSUED_ROLES), ...times });
  });
  after(async () => {
    await server?.stop();
    await provider?.stop();
  });

  const connectWith = (accessTokenFactory) => connect(signalR, server, { options: { accessTokenFactory } });

  for (const algorithm of ALGORITHMS) {
    it(`a client with a token of ${algorithm} receives the events of its role`, async () => {
      const token = await provider.token(algorithm);
      assert.equal(decodeProtectedHeader(token).alg, algorithm);
      const listener = await connectWith(() => token);
      await listener.subscribe({ e: LICENCE });
      await assert.rejects(listener.subscribe({ e: "portos.resources.changed" }), /grant/);
      await server.publish(licence(undefined, { org: "acme" }));
      await server.publish(licence(undefined, { org: "other" }));
      await settle(server, [listener], [LICENCE]);
      assert.deepEqual(listener.heard.map(brief), ["licence"]);
      await listener.connection.stop();
    });
  }

  it("tokens that another signer makes in the name of the provider are refused", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    const own = decodeProtectedHeader(await provider.token("ES256"));
    const places = { jku: `${provider.issuer}/jku`, x5u: `${provider.issuer}/x5u` };
    for (const header of [own, { alg: "ES256" }, { ...own, kid: "forged" }, { ...own, ...places, kid: "other" }]) {
      const claims = new SignJWT({ roles: ["dispatcher"] }).setProtectedHeader(header);
      const named = claims.setIssuer(provider.issuer).setAudience(AUDIENCE).setSubject("eve").setExpirationTime("5m");
      const token = await named.sign(privateKey);
      await assert.rejects(connectWith(() => token), /Status code '401'/);
    }
    assert.ok(!provider.paths.some((path) => path.includes("jku") || path.includes("x5u")), "places of keys are ignored");
  });

  it("every client gets in within one retry while the keys change again and again", async (test) => {
    const [ROTATIONS, CLIENTS] = [4, 24];
    let isRotating = true;
    const attempts = [];
    /** Connects again and again, with one retry each time. */
    const client = async (number) => {
      const algorithm = ALGORITHMS[number % ALGORITHMS.length];
      while (isRotating) {
        const listener = await connectWith(() => provider.token(algorithm)).then(
          (listener) => (attempts.push(1), listener),
          async (refused) => {
            assert.match(refused.message, /Status code '401'/);
            await pause(INTERVAL);
            const listener = await connectWith(() => provider.token(algorithm));
            attempts.push(2);
            return listener;
          },
        );
        await listener.subscribe({ e: LICENCE });
        await listener.connection.stop();
      }
    };
    const before = provider.paths.filter((path) => path === "/jwks").length;
    const begun = Date.now();
    const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
    const rotating = (async () => {
      for (let rotation = 0; rotation < ROTATIONS; rotation += 1) {
        // Keys change no faster than the server may fetch them, with the time of a retry between.
        await pause(2.5 * INTERVAL);
        await provider.rotate();
      }
      await pause(INTERVAL);
    })().finally(() => (isRotating = false));
    await Promise.all([rotating, ...clients]);
    const fetches = provider.paths.filter((path) => path === "/jwks").length - before;
    const again = attempts.filter((count) => count === 2).length;
    test.diagnostic(`${attempts.length} connections, ${again} of them at the second attempt, ${ROTATIONS} rotations, ${fetches} fetches`);
    assert.ok(attempts.length > CLIENTS * ROTATIONS, `${attempts.length}`);
    assert.ok(fetches >= ROTATIONS && fetches <= 2 + (Date.now() - begun) / INTERVAL, `${fetches} fetches`);
  });
});
