// An identity provider that speaks OpenID Connect over TLS: oidc-provider, certified by the OpenID Foundation.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:https";

import { exportJWK, generateKeyPair } from "jose";
import { Provider as OidcProvider } from "oidc-provider";

import { Certificate } from "./certificate.js";

/** The audience of its tokens. */
export const AUDIENCE = "signalhub";

/** The algorithms that its tokens can be signed with. */
export const ALGORITHMS = ["RS256", "ES256", "EdDSA", "PS256"];

const CLIENT = { client_id: "dispatch", client_secret: "a secret of the client" };

/** A new key for each algorithm, as JSON Web Keys with their private parts. */
async function newKeys() {
  const pairs = ALGORITHMS.map(async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(privateKey)), alg, use: "sig" };
  });
  return { keys: await Promise.all(pairs) };
}

/** A running provider. A resource `urn:hub:RS256` stands for the hub with tokens of this algorithm. */
export class Provider {
  #certificate = new Certificate();
  #server;
  #answer;

  /** The paths of the requests so far. */
  paths = [];

  /** Its name, and its URL. */
  issuer;

  static async start() {
    const provider = new Provider();
    const { chain, key } = provider.#certificate;
    provider.#server = createServer({ cert: readFileSync(chain), key: readFileSync(key) }, (incoming, answer) => {
      provider.paths.push(incoming.url);
      provider.#answer(incoming, answer);
    });
    provider.#server.listen(0, "127.0.0.1");
    await once(provider.#server, "listening");
    provider.issuer = `https://127.0.0.1:${provider.#server.address().port}`;
    await provider.rotate();
    return provider;
  }

  /** Replaces all keys by new ones at once: tokens of the old ones are not valid any more. */
  async rotate() {
    const resource = (_context, urn) => ({
      scope: "hub",
      audience: AUDIENCE,
      accessTokenFormat: "jwt",
      accessTokenTTL: 300,
      jwt: { sign: { alg: urn.split(":").at(-1) } },
    });
    const client = { ...CLIENT, grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };
    const provider = new OidcProvider(this.issuer, {
      jwks: await newKeys(),
      clients: [{ ...client, id_token_signed_response_alg: "RS256" }],
      features: {
        clientCredentials: { enabled: true },
        resourceIndicators: { enabled: true, getResourceServerInfo: resource },
        devInteractions: { enabled: false },
      },
      extraTokenClaims: () => ({ org: "acme", roles: ["dispatcher"] }),
    });
    this.#answer = provider.callback();
  }

  /** The environment of a server that trusts it, with more keys of its table. */
  settings(more = {}) {
    const table = { issuer: this.issuer, discovery: true, ca: this.#certificate.chain, audience: AUDIENCE, algorithms: ALGORITHMS, ...more };
    return { SIGNALHUB_AUTH__ISSUERS: JSON.stringify([table]), SIGNALHUB_AUTH__SECRET: undefined };
  }

  /** Gets an access token for the hub, signed with this algorithm. */
  async token(algorithm) {
    const basic = Buffer.from(`${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`).toString("base64");
    const form = new URLSearchParams({ grant_type: "client_credentials", scope: "hub", resource: `urn:hub:${algorithm}` });
    const headers = { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" };
    const asking = request(`${this.issuer}/token`, { method: "POST", headers, ca: this.#certificate.pem });
    asking.end(form.toString());
    const [answer] = await once(asking, "response");
    const body = Buffer.concat(await answer.toArray()).toString();
    if (answer.statusCode !== 200) throw new Error(`the provider answered ${answer.statusCode}: ${body}`);
    return JSON.parse(body).access_token;
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#certificate.remove();
  }
}
