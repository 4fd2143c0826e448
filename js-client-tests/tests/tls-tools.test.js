// What sslscan, openssl and curl find out about the TLS of the binary.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";

import { Certificate, withoutOpenssl } from "../support/certificate.js";
import { API_KEY, Server } from "../support/server.js";
import { output, without } from "../support/tool.js";
import { licence } from "../features/events.js";

/** The ciphers of TLS 1.3, and those of TLS 1.2 that have forward secrecy and authenticate what they encrypt. */
const STRONG =
  /^(TLS_(AES_128_GCM_SHA256|AES_256_GCM_SHA384|CHACHA20_POLY1305_SHA256)|ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305))$/;

/** What `openssl s_client` prints when its handshake is done. */
const DONE = /Verify return code/;

const withoutSslscan = without("sslscan");
const withoutCurl = without("curl");

describe("the TLS of the binary", { skip: withoutOpenssl }, () => {
  let certificate;
  const running = [];
  before(() => (certificate = new Certificate()));
  after(async () => {
    await Promise.all(running.map((server) => server.stop()));
    certificate.remove();
  });
  const start = async (settings = {}, used = certificate) => {
    const server = await Server.start(undefined, { ...used.settings, ...settings });
    running.push(server);
    return server;
  };
  /** Connects with `openssl s_client`. */
  const client = (server, args, lines = [[DONE, "Q"]]) =>
    output("openssl", ["s_client", "-connect", new URL(server.url).host, "-CAfile", certificate.chain, ...args], lines);

  // Each row: the claim, the kind of key, settings, the versions that are accepted.
  const SCANS = [
    ["TLS 1.2 and 1.3 with strong ciphers alone", "ec", {}, ["TLSv1.2", "TLSv1.3"]],
    ["the same with an RSA key", "rsa", {}, ["TLSv1.2", "TLSv1.3"]],
    ["TLS 1.3 alone where that is the minimum", "ec", { SIGNALHUB_TLS__MINIMUM_VERSION: "1.3" }, ["TLSv1.3"]],
  ];
  for (const [claim, kind, settings, versions] of SCANS) {
    it(`sslscan finds ${claim}`, { skip: withoutSslscan }, async (t) => {
      const scanned = new Certificate(kind);
      t.after(() => scanned.remove());
      // sslscan leaves a handshake unfinished until the server ends it.
      const server = await start({ ...settings, SIGNALHUB_TLS__HANDSHAKE_TIMEOUT: "1s" }, scanned);
      const verdict = await output("sslscan", ["--no-colour", new URL(server.url).host]);
      t.diagnostic(`sslscan, ${kind} ${JSON.stringify(settings)}:\n${verdict.split("SSL Certificate:")[0].trim()}`);
      const enabled = [...verdict.matchAll(/^(\S+) +enabled$/gm)].map(([, version]) => version);
      assert.deepEqual(enabled, versions);
      assert.equal([...verdict.matchAll(/^(SSLv[23]|TLSv1\.[01]) +disabled$/gm)].length, 4);
      const ciphers = [...verdict.matchAll(/^(?:Preferred|Accepted) +(\S+) +\d+ bits +(\S+)/gm)];
      assert.equal(ciphers.length, 3 * versions.length, "three ciphers for each version");
      for (const [, version, cipher] of ciphers) assert.ok(versions.includes(version) && STRONG.test(cipher), cipher);
      assert.match(verdict, /Session renegotiation not supported/);
      assert.doesNotMatch(verdict, /(?<!not )vulnerable|compression enabled/i);
    });
  }

  // Each row: the claim, arguments, what openssl prints.
  const HANDSHAKES = [
    ["refuses TLS 1.0", ["-tls1", "-cipher", "ALL:@SECLEVEL=0"], /alert (protocol version|handshake failure)/],
    ["refuses TLS 1.1", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], /alert (protocol version|handshake failure)/],
    ["refuses ciphers without forward secrecy", ["-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"], /alert handshake failure/],
    ["accepts TLS 1.2", ["-tls1_2"], /New, TLSv1\.2, .*[^]*Verify return code: 0/],
    ["accepts TLS 1.3", ["-tls1_3"], /New, TLSv1\.3, .*[^]*Verify return code: 0/],
    ["negotiates HTTP/1.1", ["-alpn", "h2,http/1.1"], /ALPN protocol: http\/1\.1/],
    ["refuses HTTP/2 alone", ["-alpn", "h2"], /alert no application protocol/],
    ["needs no ALPN", [], /No ALPN negotiated[^]*Verify return code: 0/],
    ["resumes sessions of TLS 1.2", ["-tls1_2", "-reconnect"], /(Reused, TLSv1\.2[^]*){5}/],
    ["does not renegotiate", ["-tls1_2"], /RENEGOTIATING[^]*no renegotiation/, [[DONE, "R"]]],
  ];
  it("openssl is answered as documented", async (t) => {
    const server = await start();
    for (const [claim, args, pattern, lines] of HANDSHAKES) {
      await t.test(claim, async () => assert.match(await client(server, args, lines), pattern));
    }
    // With TLS 1.3, -reconnect of openssl does not wait for the tickets, which come before the response to a request.
    await t.test("resumes sessions of TLS 1.3, without early data", async (t) => {
      const session = certificate.chain + ".session";
      t.after(() => rmSync(session, { force: true }));
      const request = [[DONE, "GET /health HTTP/1.0\r\n\r"]];
      await client(server, ["-tls1_3", "-sess_out", session], request);
      const resumed = await client(server, ["-tls1_3", "-sess_in", session], request);
      assert.match(resumed, /Reused, TLSv1\.3[^]*Max Early Data: 0/);
    });
    const strict = await start({ SIGNALHUB_TLS__MINIMUM_VERSION: "1.3" });
    await t.test("refuses TLS 1.2 where 1.3 is the minimum", async () => {
      assert.match(await client(strict, ["-tls1_2"]), /alert (protocol version|handshake failure)/);
      assert.match(await client(strict, ["-tls1_3"]), /New, TLSv1\.3/);
    });
  });

  it("a handshake that is not finished ends with its time", async () => {
    const timeout = 400;
    const server = await start({ SIGNALHUB_TLS__HANDSHAKE_TIMEOUT: `${timeout}ms` });
    for (const sent of ["", "\x16\x03\x01\x02\x00\x01\x00"]) {
      const begun = performance.now();
      const socket = connect(new URL(server.url).port, "127.0.0.1");
      socket.write(sent, "latin1");
      socket.resume();
      await once(socket, "close");
      assert.ok(performance.now() - begun > timeout * 0.9, "it was closed too early");
    }
    assert.match(await client(server, []), /Verify return code: 0/);
  });

  it("curl publishes with the root, fails without it, and is told that the port speaks TLS", { skip: withoutCurl }, async () => {
    const server = await start();
    const publish = ["--silent", "--show-error", "--include", server.url.replace("127.0.0.1", "localhost") + "/api/v1/publish"];
    const event = ["--header", `X-API-Key: ${API_KEY}`, "--header", "Content-Type: application/json", "--data", JSON.stringify(licence())];
    assert.match(await output("curl", [...publish, ...event, "--cacert", certificate.chain]), /^HTTP\/1\.1 202 [^]*"matched":0/);
    assert.match(await output("curl", [...publish, ...event]), /curl: \(60\)/);
    const plain = await output("curl", ["--silent", "--include", server.url.replace("https", "http") + "/health"]);
    assert.match(plain, /^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\nThis port speaks TLS$/);
  });

  it("openssl sees the new certificate after a hangup, and the old one where the new one cannot be used", async (t) => {
    const renewed = new Certificate();
    t.after(() => renewed.remove());
    const server = await start({ SIGNALHUB_TLS__RELOAD_INTERVAL: "1d" }, renewed);
    const seen = async () => {
      const chain = await output("openssl", ["s_client", "-connect", new URL(server.url).host], [[DONE, "Q"]]);
      const [pem] = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----\n/.exec(chain);
      return pem;
    };
    const first = renewed.pem;
    assert.equal(await seen(), first);
    renewed.renew();
    assert.equal(await seen(), first, "nothing has told the server of the new one");
    await server.hangUp(/the certificate was replaced/);
    const second = renewed.pem;
    assert.equal(await seen(), second);

    const key = readFileSync(renewed.key);
    // Each row: what happens to a file, and the reason that is logged.
    const BREAKS = [
      [() => writeFileSync(renewed.chain, "garbage"), /cannot be used.*tls\.certificate.*there is no certificate/],
      [() => rmSync(renewed.chain), /cannot be used.*tls\.certificate.*No such file/],
      [() => (renewed.renew(), writeFileSync(renewed.key, key)), /cannot be used.*tls\.key.*not that of the first certificate/],
      [() => writeFileSync(renewed.key, ""), /cannot be used.*tls\.key.*there is no private key/],
    ];
    for (const [breaks, reason] of BREAKS) {
      breaks();
      await server.hangUp(reason);
      assert.equal(await seen(), second);
    }
    renewed.renew();
    await server.hangUp(/the certificate was replaced[^]*the certificate was replaced/);
    assert.equal(await seen(), renewed.pem);
  });

  it("openssl sees the new certificate within the interval", async (t) => {
    const renewed = new Certificate();
    t.after(() => renewed.remove());
    const server = await start({ SIGNALHUB_TLS__RELOAD_INTERVAL: "100ms" }, renewed);
    renewed.renew();
    await server.logged(/the certificate was replaced/);
    const seen = await output("openssl", ["s_client", "-connect", new URL(server.url).host], [[DONE, "Q"]]);
    assert.ok(seen.includes(renewed.pem));
  });
});
