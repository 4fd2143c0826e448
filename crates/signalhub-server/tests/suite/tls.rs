//! TLS of a configured server: its certificate is read, checked, and replaced while clients are connected.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use crate::common::certificate::{Files, connect, trusting};
use crate::common::{Running, configuration};
use signalhub_server::{HUB_PATH, Node};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The response to a request for a path, on a socket that stays open.
async fn get(socket: &mut TlsStream<TcpStream>, path: &str) -> String {
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    loop {
        let mut bytes = vec![0; 65536];
        let count = socket.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{text}");
        text += str::from_utf8(&bytes[..count]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
        if body.len() >= length.parse().unwrap() {
            return text;
        }
    }
}

/// A WebSocket to the hub, after the handshake of the hub.
async fn web_socket(mut socket: TlsStream<TcpStream>, token: &str) -> TlsStream<TcpStream> {
    let head = format!("GET {HUB_PATH}?access_token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n");
    let key = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    socket.write_all(format!("{head}{key}").as_bytes()).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        response.push(socket.read_u8().await.unwrap());
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&response));
    let handshake = b"{\"protocol\":\"json\",\"version\":1}\x1e";
    let frame = [&[0x81, 0x80 | u8::try_from(handshake.len()).unwrap(), 0, 0, 0, 0][..], handshake].concat();
    socket.write_all(&frame).await.unwrap();
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"\x81\x03{}\x1e");
    socket
}

async fn until(condition: impl AsyncFn() -> bool) {
    let looking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}

#[tokio::test]
async fn both_listeners_speak_tls_where_that_is_configured() {
    let files = Files::new();
    let certificate = files.renew();
    let config = trusting(&[certificate]);
    let running = Running::start(configuration(&files.settings("internal = true"))).await;
    let mut public = connect(&running.url, &config).await.unwrap();
    assert!(get(&mut public, "/health").await.starts_with("HTTP/1.1 200"));
    assert!(get(&mut public, HUB_PATH).await.starts_with("HTTP/1.1 401"));
    let mut internal = connect(&running.internal, &config).await.unwrap();
    let page = get(&mut internal, "/metrics").await;
    for line in [
        "signalhub_tls_handshakes_total{outcome=\"ok\"} 2",
        "signalhub_tls_handshakes_total{outcome=\"failed\"} 0",
        "signalhub_tls_handshakes_total{outcome=\"timeout\"} 0",
        "signalhub_tls_certificate_not_after_timestamp_seconds 2874614400",
        "signalhub_tls_reloads_total{outcome=\"replaced\"} 0",
        "signalhub_tls_reloads_total{outcome=\"failed\"} 0",
    ] {
        assert!(page.contains(&format!("{line}\n")), "{line} is missing: {page}");
    }
    drop((public, internal));
    running.stop().await;

    let running = Running::start(configuration(&files.settings("minimum_version = \"1.3\""))).await;
    let mut plain = TcpStream::connect(running.internal.trim_start_matches("http://")).await.unwrap();
    plain.write_all(b"GET /health/live HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    plain.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.0 200"), "the internal listener is plain: {text}");
    drop(plain);
    running.stop().await;
}

#[tokio::test]
async fn dialects_have_the_certificate_of_the_public_listener_also_after_a_change() {
    let files = Files::new();
    let first = trusting(&[files.renew()]);
    let dialect = "[dialects.smc]\nlisten = \"127.0.0.1:0\"";
    let running = Running::start(configuration(&files.settings(&format!("reload_interval = \"1h\"\n{dialect}")))).await;
    let url = running.dialect("smc").to_string();
    let mut socket = connect(&url, &first).await.unwrap();
    let renewed = trusting(&[files.renew()]);
    running.reload.send();
    until(async || connect(&url, &renewed).await.is_ok()).await;
    assert!(get(&mut socket, "/api").await.starts_with("HTTP/1.1 200"), "an open socket does not notice");
}

#[tokio::test]
async fn a_changed_certificate_is_used_and_no_connection_notices() {
    let files = Files::new();
    let first = files.renew();
    let config = trusting(std::slice::from_ref(&first));
    let running = Running::start(configuration(&files.settings("reload_interval = \"100ms\"\ninternal = true"))).await;
    let token = running.token(|_| ());
    let (mut sockets, mut web_sockets) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        sockets.push(connect(&running.url, &config).await.unwrap());
        web_sockets.push(web_socket(connect(&running.url, &config).await.unwrap(), &token).await);
    }
    let renewed = trusting(&[files.renew()]);
    until(async || connect(&running.url, &renewed).await.is_ok()).await;
    // A session that is resumed needs no certificate, so this is a client that has none.
    let other = connect(&running.url, &trusting(&[first])).await;
    assert!(other.is_err(), "the old certificate is not used any more");

    let failures = async || {
        let mut internal = connect(&running.internal, &renewed).await.unwrap();
        let page = get(&mut internal, "/metrics").await;
        let (_, count) = page.split_once("signalhub_tls_reloads_total{outcome=\"failed\"} ").unwrap();
        count.lines().next().unwrap().parse::<u32>().unwrap()
    };
    // The files may have been read between the two writes of a renewal.
    let begun = failures().await;

    // What cannot be used is reported once, however often the files are looked at.
    let used = fs::read(files.path("chain.pem")).unwrap();
    files.write("chain.pem", "garbage");
    until(async || failures().await == begun + 1).await;
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(failures().await, begun + 1);
    files.write("key.pem", vec![0; 2 << 20]);
    until(async || failures().await == begun + 2).await;
    fs::remove_file(files.path("chain.pem")).unwrap();
    until(async || failures().await == begun + 3).await;
    assert!(connect(&running.url, &renewed).await.is_ok(), "the last one that could be used is kept");
    files.write("chain.pem", used);
    until(async || failures().await == begun + 4).await;

    for socket in &mut sockets {
        assert!(get(socket, "/health").await.starts_with("HTTP/1.1 200"));
    }
    for socket in &mut web_sockets {
        // A ping of WebSockets, whose mask is zero.
        socket.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
        let mut pong = [0; 2];
        socket.read_exact(&mut pong).await.unwrap();
        assert_eq!(pong, [0x8a, 0]);
    }
    drop((sockets, web_sockets));
    running.stop().await;
}

#[tokio::test]
async fn files_are_read_again_on_request() {
    let files = Files::new();
    let config = trusting(&[files.renew()]);
    let node = Node::bind(&configuration(&files.settings("reload_interval = \"1d\""))).await.unwrap();
    let (url, reload) = (format!("http://{}", node.address()), node.reload_request());
    let running = tokio::spawn(node.run_until(std::future::pending()));
    connect(&url, &config).await.unwrap();
    let renewed = trusting(&[files.renew()]);
    assert!(connect(&url, &renewed).await.is_err());
    reload.send();
    until(async || connect(&url, &renewed).await.is_ok()).await;
    running.abort();
}

fn check(settings: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    command.args(["config", "check"]).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.output().unwrap()
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_the_key_and_the_file() {
    let files = Files::new();
    let other = Files::new();
    files.renew();
    other.renew();
    files.write("garbage.pem", "garbage");
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    files.write("bad.pem", bad);
    let rsa = ["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=short", "-keyout", "short-key.pem"];
    let made =
        Command::new("openssl").args(rsa).args(["-out", "short.pem"]).current_dir(files.folder()).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    let path = |name: &str| files.path(name);
    for (certificate, key, named, reason) in [
        (Some(path("none.pem")), Some(key.clone()), "tls.certificate", "none.pem: it cannot be read: No such file"),
        (Some(path("")), Some(key.clone()), "tls.certificate", "it cannot be read: Is a directory"),
        (Some(chain.clone()), Some(path("none.pem")), "tls.key", "none.pem: it cannot be read: No such file"),
        (Some(path("garbage.pem")), Some(key.clone()), "tls.certificate", "there is no certificate in PEM in it"),
        (Some(path("bad.pem")), Some(key.clone()), "tls.certificate", "its first certificate cannot be read"),
        (Some(chain.clone()), Some(path("garbage.pem")), "tls.key", "there is no private key in PEM in it"),
        (Some(chain.clone()), Some(other.path("key.pem")), "tls.key", "not that of the first certificate"),
        (Some(path("short.pem")), Some(path("short-key.pem")), "tls.key", "its RSA key has less than 2048 bits"),
        (Some(chain.clone()), None, "tls.certificate", "needs \"tls.key\", which is not configured"),
        (None, Some(key.clone()), "tls.key", "needs \"tls.certificate\", which is not configured"),
        (None, None, "tls.internal", "needs \"tls.certificate\", which is not configured"),
    ] {
        let certificate = certificate.map(|file| format!("tls.certificate={file}"));
        let key = key.map(|file| format!("tls.key={file}"));
        let settings: Vec<_> = certificate.into_iter().chain(key).chain(["tls.internal=true".to_owned()]).collect();
        let output = check(&settings);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{settings:?} {error}");
        assert!(error.contains(&format!("\"{named}\"")) && error.contains(reason), "{reason}: {error}");
    }
    let output = check(&[format!("tls.certificate={chain}"), format!("tls.key={key}")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
