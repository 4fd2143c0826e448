// Signs JSON Web Tokens as an issuer that shares the server's secret would.

import { createHmac } from "node:crypto";

import { SECRET } from "./server.js";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The present, in seconds since 1970. */
export const now = () => Math.floor(Date.now() / 1000);

/** Signs a token (HS256) that is good for an hour unless the claims say otherwise. */
export function token(claims = {}, secret = SECRET) {
  const signed = encode({ alg: "HS256", typ: "JWT" }) + "." + encode({ sub: "ann", exp: now() + 3600, ...claims });
  return signed + "." + createHmac("sha256", secret).update(signed).digest("base64url");
}
