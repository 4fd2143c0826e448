// Certificates that are made for a test and removed with it.

import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why tests that need a certificate are skipped, or false. */
export const withoutOpenssl = spawnSync("openssl", ["version"]).status !== 0 && "openssl is missing: apt-get install openssl";

/** A certificate for this machine that signs itself, with its key. */
export class Certificate {
  #folder = mkdtempSync(join(tmpdir(), "signalhub-certificate-"));

  /** The files in PEM: the certificate is its own root, so clients are given the first one, too. */
  chain = join(this.#folder, "chain.pem");
  key = join(this.#folder, "key.pem");

  /** `kind` is that of its key: `ec`, or `rsa`. */
  constructor(kind = "ec") {
    this.renew(kind);
  }

  /** Replaces both files by those of a new certificate. */
  renew(kind = "ec") {
    const key = { ec: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], rsa: ["-newkey", "rsa:2048"] }[kind];
    const named = ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    execFileSync("openssl", ["req", "-x509", ...key, ...named, "-keyout", this.key, "-out", this.chain], { stdio: "pipe" });
  }

  /** The settings with which a server uses it. */
  get settings() {
    return { SIGNALHUB_TLS__CERTIFICATE: this.chain, SIGNALHUB_TLS__KEY: this.key };
  }

  /** The certificate in PEM. */
  get pem() {
    return readFileSync(this.chain, "utf8");
  }

  /** The hash of its public key by which Chromium is told to trust it. */
  get spkiHash() {
    const spki = new X509Certificate(this.pem).publicKey.export({ type: "spki", format: "der" });
    return createHash("sha256").update(spki).digest("base64");
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
