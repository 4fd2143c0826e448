//! What a client does wrong is one line of the log at debug, and is counted under a reason of its own.

#![cfg(unix)]
mod apis;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use crate::common::certificate::Files;
use crate::common::{KEY, SECRET, send};
use http::Request;
use http_body_util::Full;
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

const HELLO: &str = "{\"protocol\":\"json\",\"version\":1}\x1e";

/// A server whose log at debug is read line by line.
struct Server {
    _child: Child,
    address: String,
    internal: String,
    /// The addresses of the dialects, by their names.
    dialects: BTreeMap<String, String>,
    log: Lines<BufReader<ChildStderr>>,
}

impl Server {
    async fn start(settings: &[&str]) -> Self {
        Self::start_with(None, settings).await
    }

    /// Starts it with a file of settings, and with more settings.
    async fn start_with(file: Option<&str>, settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalhub"));
        let secret = format!("auth.secret={SECRET}");
        let keys = format!("publish.keys={KEY}");
        let common = ["listen.public=127.0.0.1:0", "listen.internal=127.0.0.1:0", &secret, &keys];
        for setting in common.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        if let Some(file) = file {
            command.args(["--config", file]);
        }
        command.env_clear().env("RUST_LOG", "signalhub=debug").current_dir(env!("CARGO_TARGET_TMPDIR"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let (mut internal, mut dialects) = (String::new(), BTreeMap::new());
        let address = loop {
            let line = log.next_line().await.unwrap().expect("the server has not ended");
            let address = line.split_once("address=").map(|(_, address)| address.to_owned());
            match address {
                Some(address) if line.contains("serving operators") => internal = address,
                Some(address) if line.contains("serving a dialect") => {
                    let name = ["smc", "printfactory"].into_iter().find(|name| line.contains(name)).unwrap();
                    dialects.insert(name.to_owned(), address);
                }
                Some(address) if line.contains("listening") => break address,
                _ => {}
            }
        };
        Self { _child: child, address, internal, dialects, log }
    }

    /// The next line about something that failed.
    async fn line(&mut self) -> String {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(20), self.log.next_line()).await.expect("a line");
            let line = line.unwrap().expect("the server has not ended");
            if line.contains("reason=") {
                return line;
            }
        }
    }

    /// All counters with a reason, a limit or an outcome of TLS handshakes, by it.
    async fn counts(&self) -> BTreeMap<String, u64> {
        let request = Request::get(format!("http://{}/metrics", self.internal)).body(Full::default()).unwrap();
        let page = send(request).await.text;
        let counted = page.lines().filter_map(|line| {
            let (name, count) = line.rsplit_once(' ')?;
            let label = name.split_once("{reason=\"").or_else(|| name.split_once("{limit=\""));
            let label = label.or_else(|| name.split_once("signalhub_tls_handshakes_total{outcome=\""));
            let (_, label) = label?;
            Some((label.trim_end_matches("\"}").to_owned(), count.parse().unwrap()))
        });
        counted.collect()
    }

    async fn send(&self, request: &str) -> TcpStream {
        Self::send_to(&self.address, request).await
    }

    async fn send_to(address: &str, request: &str) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    }

    /// Opens a WebSocket and sends text frames on it.
    async fn connect(&self, token: &str, id: &str, texts: &[&[u8]]) -> TcpStream {
        let mut socket = self
            .send(&format!(
                "GET {HUB_PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 Authorization: Bearer {token}\r\nX-Request-Id: {id}\r\n\r\n"
            ))
            .await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(socket.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        for text in texts {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes();
            socket.write_all(&[&[0x81, 0xFE], &length[..], &[0; 4], text].concat()).await.unwrap();
        }
        socket
    }
}

fn token(lifetime: Duration) -> String {
    use signalhub_server::{Configuration, TokenContent, configuration::SigningSecret, sign};
    let mut configuration = Configuration::default();
    configuration.auth.secret = SigningSecret::new(SECRET);
    let content =
        TokenContent { user: "ann".to_owned(), lifetime, organisation: None, grants: Vec::new(), publish: Vec::new() };
    sign(&configuration.auth, &content).unwrap()
}

/// Checks that the last thing that was done is one line and one count, both with this reason.
async fn assert_seen(server: &mut Server, before: &BTreeMap<String, u64>, reason: &str, id: &str) {
    assert_counted(server, before, reason, id, &[]).await;
}

/// As [`assert_seen`], for a refusal that raises other counters, too.
async fn assert_counted(server: &mut Server, before: &BTreeMap<String, u64>, reason: &str, id: &str, others: &[&str]) {
    let line = server.line().await;
    assert!(line.contains(&format!("reason=\"{reason}\"")), "{reason}: {line}");
    assert!(line.contains("DEBUG") && line.contains("address=127.0.0.1"), "{reason}: {line}");
    assert!(id.is_empty() || line.contains(&format!("request_id={id}")), "{reason}: {line}");
    let mut after = server.counts().await;
    // The end of a connection is counted when its socket is done.
    for _ in 0..200 {
        if after != *before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        after = server.counts().await;
    }
    let changed = after.iter().filter(|(reason, count)| before.get(*reason) != Some(*count));
    let expected: BTreeMap<_, _> =
        others.iter().chain([&reason]).map(|reason| (reason.to_string(), before[*reason] + 1)).collect();
    assert_eq!(changed.map(|(reason, count)| (reason.clone(), *count)).collect::<BTreeMap<_, _>>(), expected);
}

#[tokio::test]
async fn each_refused_request_is_one_line_and_one_count() {
    let mut server = Server::start(&["auth.leeway=0s", "limits.connections_per_user=1"]).await;
    let (good, expired) = (token(Duration::from_secs(60)), token(Duration::ZERO));
    let forged = format!("{}x{}", &good[..good.len() - 4], &good[good.len() - 3..]);
    // The clock of tokens has whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let hub = HUB_PATH;
    let auth = format!("Authorization: Bearer {good}\r\n");
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let json = "Content-Type: application/json\r\n";
    let key = format!("X-API-Key: {KEY}\r\n{json}");
    let negotiate = format!("POST {hub}/negotiate?negotiateVersion=1");
    for (reason, line, headers, body) in [
        ("missing_credentials", negotiate.as_str(), "", ""),
        ("expired_credentials", &negotiate, &*format!("Authorization: Bearer {expired}\r\n"), ""),
        ("invalid_credentials", &negotiate, &format!("Authorization: Bearer {forged}\r\n"), ""),
        ("invalid_credentials", &negotiate, "Authorization: Bearer bad\r\n", ""),
        ("invalid_negotiation", &format!("POST {hub}/negotiate?negotiateVersion=x"), &auth, ""),
        ("missing_connection_id", &format!("GET {hub}"), &auth, ""),
        ("unknown_connection", &format!("GET {hub}?id=x"), &auth, ""),
        ("unknown_connection", &format!("GET {hub}?id=x"), &format!("{auth}Accept: text/event-stream\r\n"), ""),
        ("unknown_connection", &format!("GET {hub}?id=x"), &format!("{auth}{upgrade}"), ""),
        ("unknown_connection", &format!("POST {hub}?id=x"), &auth, "x"),
        ("unknown_connection", &format!("DELETE {hub}?id=x"), &auth, ""),
        ("method_not_allowed", &format!("PUT {hub}"), &auth, ""),
        ("foreign_origin", &format!("GET {hub}"), &format!("{upgrade}Origin: http://evil.example\r\n"), ""),
        (
            "foreign_origin",
            &format!("OPTIONS {hub}/negotiate"),
            "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n",
            "",
        ),
        ("api_not_found", "GET /nothing", "", ""),
        ("api_method_not_allowed", "DELETE /health", "", ""),
        ("api_method_not_allowed", "GET /api/v1/publish", "", ""),
        ("api_unauthenticated", "POST /api/v1/publish", json, "{}"),
        ("api_invalid_json", "POST /api/v1/publish", &key, "{"),
        ("api_unsupported_encoding", "POST /api/v1/publish", &format!("{key}Content-Encoding: gzip\r\n"), "{}"),
        ("api_unknown_event", "POST /api/v1/publish", &key, "[{\"e\":\"x\",\"p\":1}]"),
    ] {
        let before = server.counts().await;
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-1\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let _socket = server.send(&request).await;
        assert_seen(&mut server, &before, reason, "r-1").await;
    }
    for (reason, request) in [
        ("malformed_request", "no request at all\r\n\r\n".to_owned()),
        ("malformed_request", format!("GET {hub} HTTP/1.1\r\nbad header\r\n\r\n")),
        ("head_size", format!("GET {hub} HTTP/1.1\r\nlong: {}\r\n\r\n", "x".repeat(40_000))),
    ] {
        let before = server.counts().await;
        let _socket = server.send(&request).await;
        assert_seen(&mut server, &before, reason, "").await;
    }
    // The internal listener's own clients do wrong, too.
    for (reason, line, host) in
        [("foreign_host", "GET /metrics", "rebound.example"), ("api_not_found", "GET /x", "localhost")]
    {
        let before = server.counts().await;
        let mut socket = TcpStream::connect(&server.internal).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: r-3\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        assert_seen(&mut server, &before, reason, "r-3").await;
    }
    // A limit, with a connection that is there already.
    let kept = server.connect(&good, "first", &[HELLO.as_bytes()]).await;
    let before = server.counts().await;
    let request = format!("{negotiate} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-2\r\n{auth}Content-Length: 0\r\n\r\n");
    let _socket = server.send(&request).await;
    assert_seen(&mut server, &before, "connections_per_user", "r-2").await;
    drop(kept);
}

#[tokio::test]
async fn each_connection_that_ends_has_one_line_and_one_reason() {
    let settings =
        ["hub.handshake_timeout=1s", "hub.client_timeout_interval=1s", "hub.maximum_receive_message_size=1KiB"];
    let mut server = Server::start(&settings).await;
    let token = token(Duration::from_secs(60));
    let long = format!("{{\"type\":1,\"target\":\"{}\",\"arguments\":[]}}\x1e", "x".repeat(2000));
    let unended = "x".repeat(2000);
    for (reason, texts) in [
        ("handshake_refused", &["{\"protocol\":\"blazorpack\",\"version\":1}\x1e".as_bytes()][..]),
        ("handshake_refused", &[b"{\"protocol\":\"json\",\"version\":99}\x1e"]),
        ("handshake_refused", &[b"no json\x1e"]),
        ("handshake_refused", &[unended.as_bytes()]),
        ("handshake_timeout", &[]),
        ("handshake_timeout", &[b"{\"protocol\":"]),
        ("message_too_long", &[HELLO.as_bytes(), long.as_bytes()]),
        ("message_too_long", &[HELLO.as_bytes(), unended.as_bytes()]),
        ("invalid_message", &[HELLO.as_bytes(), b"{\"type\":1,\"target\":\"X\",\"arguments\":[}\x1e"]),
        ("invalid_message", &[HELLO.as_bytes(), b"[]\x1e"]),
        ("client_timeout", &[HELLO.as_bytes(), b"{\"type\":6}\x1e"]),
        ("client_closed", &[HELLO.as_bytes(), b"{\"type\":7}\x1e"]),
        ("invalid_text", &[HELLO.as_bytes(), b"\xff"]),
    ] {
        let before = server.counts().await;
        let mut socket = server.connect(&token, "c-1", texts).await;
        // The server's close frame, or its end.
        let _ = tokio::time::timeout(Duration::from_secs(10), async {
            let mut bytes = Vec::new();
            while !bytes.windows(2).any(|pair| pair == [0x88, 0x02]) && socket.read_buf(&mut bytes).await.unwrap() > 0 {
            }
        })
        .await;
        drop(socket);
        assert_seen(&mut server, &before, reason, "c-1").await;
    }
}

#[tokio::test]
async fn each_call_that_fails_is_one_line_and_one_count() {
    let mut server = Server::start(&["limits.subscriptions_per_connection=1"]).await;
    let token = token(Duration::from_secs(60));
    let socket = server.connect(&token, "c-2", &[HELLO.as_bytes()]).await;
    let mut socket = BufReader::new(socket);
    for (reason, kind, target, argument) in [
        ("unknown_method", 1, "Nothing", "1"),
        ("wrong_arguments", 1, "Subscribe", "\"tickets\""),
        ("wrong_call_kind", 4, "Subscribe", "{\"e\":\"portos.resources.changed\"}"),
        ("call_refused", 1, "Subscribe", "{\"e\":\"no.such.event\"}"),
        ("", 1, "Subscribe", "{\"e\":\"portos.licence.activated\"}"),
        ("subscriptions_per_connection", 1, "Subscribe", "{\"e\":\"portos.resources.changed\"}"),
        ("subscriptions_per_connection", 1, "Subscribe", "{\"e\":\"portos.resources.changed\",\"since\":\"earliest\"}"),
    ] {
        let before = server.counts().await;
        let call = format!(
            "{{\"type\":{kind},\"invocationId\":\"1\",\"target\":\"{target}\",\"arguments\":[{argument}]}}\x1e"
        );
        let head = [0x81, 0xFE, 0, u8::try_from(call.len()).unwrap(), 0, 0, 0, 0];
        socket.write_all(&[&head[..], call.as_bytes()].concat()).await.unwrap();
        // A call that succeeds leaves no line.
        if !reason.is_empty() {
            assert_seen(&mut server, &before, reason, "c-2").await;
        }
    }
    // Calls above the limit of subscriptions, and of the wrong kind, are refused; wrong arguments and refusals of the method are errors.
    let request = Request::get(format!("http://{}/metrics", server.internal)).body(Full::default()).unwrap();
    let page = send(request).await.text;
    for (outcome, count) in [("ok", 1), ("error", 2), ("refused", 3)] {
        let line = format!("signalhub_invocations_total{{method=\"Subscribe\",outcome=\"{outcome}\"}} {count}");
        assert!(page.contains(&line), "{line}: {page}");
    }
}

#[tokio::test]
async fn each_call_above_the_rate_is_one_line_and_one_count() {
    let mut server = Server::start(&["limits.invocation_rate=1/s"]).await;
    let call = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Unsubscribe\",\"arguments\":[{\"e\":\"portos.licence.activated\"}]}\x1e";
    let before = server.counts().await;
    let _socket = server.connect(&token(Duration::from_secs(60)), "c-3", &[HELLO.as_bytes(), call, call]).await;
    assert_seen(&mut server, &before, "invocation_rate", "c-3").await;
}

#[tokio::test]
async fn each_tls_handshake_that_fails_is_one_line_and_one_count() {
    let files = Files::new();
    files.renew();
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    let settings = [&*format!("tls.certificate={chain}"), &format!("tls.key={key}"), "tls.handshake_timeout=1s"];
    let mut server = Server::start(&settings).await;
    for (reason, sent) in
        [("failed", "GET / HTTP/1.1\r\n\r\n"), ("failed", "\u{7f}\u{3}\u{3}\0\u{4}none"), ("timeout", "")]
    {
        let before = server.counts().await;
        let mut socket = server.send(sent).await;
        // A request without TLS is answered, and its socket is the client's to close.
        if sent.starts_with("GET") {
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("This port speaks TLS"), "{answer}");
            drop(socket);
            assert_seen(&mut server, &before, reason, "").await;
        } else {
            assert_seen(&mut server, &before, reason, "").await;
        }
    }
}
