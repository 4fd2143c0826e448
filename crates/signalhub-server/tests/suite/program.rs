//! The binary as a process: what it prints, what it exits with, what it keeps to itself.

#![cfg(unix)]
use std::process::{Output, Stdio};

use crate::common::process::{PROGRAM, Server, program};
use crate::common::{KEY, SECRET, send};
use http::Request;
use http_body_util::Full;
use signalhub_client::Client;
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn terminating_ends_the_server_in_order() {
    let server = Server::start(&[("SIGNALHUB_AUTH__SECRET", SECRET), ("SIGNALHUB_LOG__FORMAT", "json")]).await;
    let token = program(&["token", "create", "--user", "ann"]).env("SIGNALHUB_AUTH__SECRET", SECRET).output().await;
    let token = String::from_utf8(token.unwrap().stdout).unwrap();
    let client = Client::connect(&format!("{}{HUB_PATH}", server.url), Some(token.trim())).await.unwrap();
    let (code, printed, log) = server.terminate().await;
    assert_eq!((code, printed.as_str()), (Some(0), ""), "{log}");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
    let end = client.disconnected().await.to_string();
    assert!(end.contains("the connection was lost"), "{end}");
}

#[tokio::test]
async fn a_hangup_ends_nothing_and_is_logged() {
    let mut server = Server::start(&[("SIGNALHUB_AUTH__SECRET", SECRET)]).await;
    for _ in 0..2 {
        server.signal("-HUP").await;
        server.logged("signal=\"SIGHUP\"").await;
        assert!(server.log.lines().last().unwrap().contains("reading certificates and keys again"), "{}", server.log);
        // The next line is another one.
        server.log.push('\n');
    }
    let health = send(Request::get(format!("{}/health", server.url)).body(Full::default()).unwrap()).await;
    assert_eq!(health.status, 200);
    assert_eq!(server.terminate().await.0, Some(0));
}

#[tokio::test]
async fn a_hangup_makes_the_server_read_its_certificate_again() {
    let folder = std::env::temp_dir().join(format!("signalhub-hangup-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let renew = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&chain, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    };
    renew();
    let mut server = Server::start(&[
        ("SIGNALHUB_AUTH__SECRET", SECRET),
        ("SIGNALHUB_TLS__CERTIFICATE", chain.to_str().unwrap()),
        ("SIGNALHUB_TLS__KEY", key.to_str().unwrap()),
        ("SIGNALHUB_TLS__RELOAD_INTERVAL", "1d"),
    ])
    .await;
    renew();
    server.signal("-HUP").await;
    server.logged("the certificate was replaced").await;
    std::fs::write(&chain, "garbage").unwrap();
    server.signal("-HUP").await;
    server.logged("the certificate has changed and cannot be used").await;
    assert_eq!(server.terminate().await.0, Some(0));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Reads what a server prints in development mode, up to the line that begins so, and returns this line.
async fn printed_line(server: &mut Server, beginning: &str) -> String {
    let mut line = String::new();
    while !line.starts_with(beginning) {
        line.clear();
        assert_ne!(server.stdout.read_line(&mut line).await.unwrap(), 0, "no line begins with {beginning}");
    }
    line
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line}")]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_lines_that_development_mode_prints_work_as_pasted_also_over_tls() {
    let folder = std::env::temp_dir().join(format!("signalhub development {}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    // One as openssl req -x509 makes it.
    let own_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(&chain, params.self_signed(&own_key).unwrap().pem()).unwrap();
    std::fs::write(&key, own_key.serialize_pem()).unwrap();
    let certificate =
        [("SIGNALHUB_TLS__CERTIFICATE", chain.to_str().unwrap()), ("SIGNALHUB_TLS__KEY", key.to_str().unwrap())];
    for (variables, scheme) in [(&[][..], "http"), (&certificate[..], "https")] {
        let mut server = Server::start(variables).await;
        let hub = printed_line(&mut server, "Hub ").await;
        assert!(hub.contains(&format!("{scheme}://127.0.0.1:")), "{hub}");
        let listen = printed_line(&mut server, &format!("{PROGRAM} listen")).await;
        let publish = printed_line(&mut server, &format!("{PROGRAM} publish")).await;
        let curl = printed_line(&mut server, "curl ").await;

        let mut listening = shell(&listen).spawn().unwrap();
        let mut said = BufReader::new(listening.stderr.take().unwrap()).lines();
        let said = said.next_line().await.unwrap().unwrap();
        assert!(said.contains("listening for portos.resources.changed"), "{said}");
        let (code, printed, error) = texts(&shell(&publish).output().await.unwrap());
        assert!(code == Some(0) && printed.contains("\"matched\":1"), "{printed}{error}");
        let mut events = BufReader::new(listening.stdout.take().unwrap()).lines();
        let event = events.next_line().await.unwrap().unwrap();
        assert!(event.contains("573f4511088c772684a738f8"), "{event}");
        if Command::new("curl").arg("--version").output().await.is_ok() {
            let (code, printed, error) = texts(&shell(&curl.replace("curl ", "curl -sS ")).output().await.unwrap());
            assert!(code == Some(0) && printed.contains("\"matched\":1"), "{printed}{error}");
        }
        drop(listening);
        assert_eq!(server.terminate().await.0, Some(0));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (key, other) in [("listen.public", "listen.internal"), ("listen.internal", "listen.public")] {
        let settings = [format!("{key}={address}"), format!("{other}=127.0.0.1:0"), format!("auth.secret={SECRET}")];
        let mut command = program(&["serve"]);
        for setting in &settings {
            command.args(["--set", setting]);
        }
        let (code, _, error) = texts(&command.output().await.unwrap());
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(&format!("cannot listen on {address} ({key}): Address already in use")), "{error}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    let variables = [("SIGNALHUB_AUTH__SECRET", SECRET), ("SIGNALHUB_LISTEN__SHUTDOWN_DELAY", "1h")];
    for (first, second) in [("-TERM", "-TERM"), ("-INT", "-TERM"), ("-TERM", "-INT")] {
        let mut server = Server::start(&variables).await;
        server.signal(first).await;
        server.logged("stopping; a second signal").await;
        server.signal(second).await;
        assert_eq!(server.end().await.0, Some(1), "{first} {second}");
    }
}

#[tokio::test]
async fn a_second_server_in_development_mode_does_without_the_internal_listener() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let internal = ("SIGNALHUB_LISTEN__INTERNAL", &*address);
    let server = Server::start(&[internal]).await;
    let (code, _, log) = server.terminate().await;
    assert!(code == Some(0) && log.contains("WARN") && log.contains("there is no internal listener"), "{log}");
    let configured = [("SIGNALHUB_AUTH__SECRET", SECRET), ("SIGNALHUB_LISTEN__PUBLIC", "127.0.0.1:0"), internal];
    let (code, _, error) = texts(&program(&[]).envs(configured).output().await.unwrap());
    assert!(code == Some(1) && error.contains("(listen.internal)"), "{error}");
}

#[tokio::test]
async fn the_log_tells_the_start_the_configuration_and_the_end_in_both_forms() {
    for format in ["text", "json"] {
        let variables = [("SIGNALHUB_AUTH__SECRET", SECRET), ("SIGNALHUB_LOG__FORMAT", format)];
        let (_, _, log) = Server::start(&variables).await.terminate().await;
        for text in ["starting", "auth.secret=", "(secret)", "serving operators", "listening", "stopping", "stopped"] {
            assert!(log.contains(text), "{text} in {log}");
        }
    }
}

#[tokio::test]
async fn the_configuration_is_checked_and_explained() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (good, bad) = (folder.join("good.toml"), folder.join("bad.toml"));
    let defaults = program(&["config", "defaults"]).output().await.unwrap();
    let (code, text, error) = texts(&defaults);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    std::fs::write(&good, &text).unwrap();
    std::fs::write(&bad, text.replace("public =", "pubic =")).unwrap();
    let line = text.lines().position(|line| line.starts_with("public =")).unwrap() + 1;
    let none: [(&str, &str); 0] = [];
    let rows = [
        (&good, &none[..], 0, "limits.connections=100\nthe configuration is good\n".to_owned()),
        (
            &good,
            &[("SIGNALHUB_PUBLISH__KEYS", "k")],
            0,
            "limits.connections=100\npublish.keys=[\"(secret)\"]\nthe configuration is good\n".to_owned(),
        ),
        (
            &good,
            &[("SIGNALHUB_PUBLISH__RATE", "fast")],
            1,
            "SIGNALHUB_PUBLISH__RATE: \"publish.rate\": expected a rate".to_owned(),
        ),
        (&bad, &none, 1, format!("bad.toml, line {line}: unknown key \"listen.pubic\": expected listen.public, ")),
    ];
    for (file, variables, code, expected) in rows {
        // A process may open this number of connections everywhere.
        let mut command = program(&["config", "check", "--set", "limits.connections=100", "--config"]);
        let output = command.arg(file).envs(variables.iter().copied()).output().await;
        let (exit, printed, error) = texts(&output.unwrap());
        assert_eq!(exit, Some(code), "{printed}{error}");
        assert!(if code == 0 { printed == expected } else { error.contains(&expected) }, "{printed}{error}");
    }
    let rarely = ["config", "check", "--set", "limits.connections=100", "--set", "hub.keep_alive_interval=60s"];
    let (code, printed, _) = texts(&program(&rarely).output().await.unwrap());
    assert!(code == Some(0) && printed.contains("\nwarning: hub.keep_alive_interval is 60s: "), "{printed}");
    assert!(printed.ends_with("the configuration can be used, with 1 warning\n"), "{printed}");
    let page = texts(&program(&["config", "doc"]).output().await.unwrap()).1;
    assert_eq!(page, include_str!("../../../../docs/configuration.md"));
}

#[tokio::test]
async fn lines_printed_in_development_mode_work_as_pasted() {
    let mut server = Server::start(&[]).await;
    let (mut listen, mut publish, mut curl) = (String::new(), String::new(), String::new());
    while curl.is_empty() {
        let mut line = String::new();
        assert_ne!(server.stdout.read_line(&mut line).await.unwrap(), 0);
        if line.contains(" listen portos") {
            listen = line;
        } else if line.contains(" publish portos") {
            publish = line;
        } else if line.starts_with("curl ") {
            curl = line;
        }
    }
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    };
    let mut listening = shell(&listen).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(listening.stderr.take().unwrap()).read_line(&mut line).await.unwrap();
    assert!(line.starts_with("listening for portos.resources.changed"), "{line}");
    let mut events = BufReader::new(listening.stdout.take().unwrap()).lines();
    for line in [&publish, &curl] {
        if line == &curl && Command::new("curl").arg("--version").output().await.is_err() {
            eprintln!("curl is not installed, so its line is not pasted");
            continue;
        }
        let (code, receipt, error) = texts(&shell(line).output().await.unwrap());
        assert_eq!(code, Some(0), "{error}");
        assert!(receipt.contains("\"matched\":1"), "{line}: {receipt}");
        let event = events.next_line().await.unwrap().unwrap();
        assert!(
            event.starts_with("{\"e\":\"portos.resources.changed\"") && event.contains("\"n\":\"tickets\""),
            "{event}"
        );
    }
    assert_eq!(server.terminate().await.0, Some(0));
    // It would reconnect to the server without end.
    listening.kill().await.unwrap();
}

/// Negotiates, and gives the token of the connection: who knows it can use the connection.
async fn negotiate(hub: &str, token: &str, version: u8) -> String {
    let request = Request::post(format!("{hub}/negotiate?negotiateVersion={version}"));
    let request = request.header("authorization", format!("Bearer {token}"));
    let answer = send(request.body(Full::default()).unwrap()).await;
    let name = if version == 0 { "connectionId" } else { "connectionToken" };
    answer.body[name].as_str().unwrap().to_owned()
}

/// Connects by long polling, calls what fails, and leaves in order; gives the token of the connection.
async fn poll_once(hub: &str, token: &str, version: u8) -> String {
    let connection = negotiate(hub, token, version).await;
    for (method, status) in [("GET", 200), ("POST", 200), ("GET", 200), ("DELETE", 202), ("GET", 404)] {
        let request = Request::builder().method(method).uri(format!("{hub}?id={connection}"));
        let request = request.header("authorization", format!("Bearer {token}"));
        let call = r#"{"type":1,"target":"Subscribe","arguments":["x"]}"#;
        let body = format!("{{\"protocol\":\"json\",\"version\":1}}\u{1e}{call}\u{1e}");
        let body = if method == "POST" { body } else { String::new() };
        assert_eq!(send(request.body(Full::from(body)).unwrap()).await.status, status, "{method}");
    }
    connection
}

/// Connects with server-sent events, with everything in the address, and goes away; gives the token of the connection.
async fn stream_once(hub: &str, token: &str, version: u8) -> String {
    let connection = negotiate(hub, token, version).await;
    let (_, rest) = hub.split_once("//").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /{path}?id={connection}&access_token={token} HTTP/1.1\r\nHost: x\r\n");
    socket.write_all(format!("{head}Accept: text/event-stream\r\n\r\n").as_bytes()).await.unwrap();
    let mut status = String::new();
    BufReader::new(socket).read_line(&mut status).await.unwrap();
    assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
    connection
}

#[tokio::test]
async fn logs_hold_no_token_and_no_key() {
    const CLIENT_KEY: &str = "key-of-a-client-with-a-name";
    let clients = format!(r#"[{{"name":"billing","key":"{CLIENT_KEY}","organisations":["acme"]}}]"#);
    let variables = [
        ("SIGNALHUB_AUTH__SECRET", SECRET),
        ("SIGNALHUB_PUBLISH__KEYS", KEY),
        ("SIGNALHUB_PUBLISH__CLIENTS", &clients),
        ("SIGNALHUB_AUTH__REFRESH_ENDPOINT", "true"),
        ("RUST_LOG", "trace"),
    ];
    let server = Server::start(&variables).await;
    let output = program(&["token", "create", "--user", "ann", "--publish", "portos.*"]).envs(variables).output().await;
    let token = texts(&output.unwrap()).1.trim().to_owned();
    let hub = format!("{}{HUB_PATH}", server.url);
    let forged = format!("{token}x");
    let client = Client::connect(&hub, Some(&token)).await.unwrap();
    client.invoke::<()>("Subscribe", (serde_json::json!({ "e": "portos.licence.activated" }),)).await.unwrap();
    assert!(Client::connect(&hub, Some(&forged)).await.is_err());
    client.invoke::<serde_json::Value>("Refresh", (&token,)).await.unwrap();
    for arguments in
        [serde_json::json!([forged]), serde_json::json!([{ "token": token }]), serde_json::json!([[token]])]
    {
        assert!(client.invoke::<serde_json::Value>("Refresh", arguments).await.is_err());
    }
    let publish = format!("{}/api/v1/publish", server.url);
    let internal = format!("{}/health/ready", server.internal);
    let bearer = |token: &str| format!("Bearer {token}");
    let requests = [
        Request::post(format!("{hub}/negotiate?negotiateVersion=1&access_token={token}")),
        Request::post(format!("{hub}/negotiate?negotiateVersion=1&access_token={forged}")),
        Request::post(format!("{hub}/negotiate?negotiateVersion=1")).header("authorization", bearer(&forged)),
        Request::get(format!("{hub}?access_token={forged}")),
        Request::post(format!("{hub}/refresh?id=x")).header("authorization", bearer(&token)),
        Request::post(format!("{hub}/refresh?id=x&access_token={forged}")),
        Request::get(format!("{hub}?id=x&access_token={token}")).header("accept", "text/event-stream"),
        Request::post(&publish).header("x-api-key", KEY),
        Request::post(&publish).header("x-api-key", "forged-key"),
        Request::post(&publish).header("authorization", bearer(&token)),
        Request::post(&publish).header("authorization", bearer(&forged)),
        Request::post(format!("{publish}?access_token={token}")),
        Request::post(format!("{publish}?access_token={forged}")),
        Request::get(format!("{internal}?access_token={token}")).header("x-api-key", KEY),
        Request::get(format!("{internal}x?access_token={forged}")).header("authorization", bearer(&token)),
        Request::get(format!("{}/openapi.json?access_token={token}", server.url)).header("x-api-key", "forged-key"),
    ];
    for request in requests {
        send(request.body(Full::from(r#"{"e":"portos.licence.activated","p":{}}"#)).unwrap()).await;
    }
    let event =
        r#"{"specversion":"1.0","id":"id-of-a-cloud-event","source":"/x","type":"portos.licence.activated","data":{}}"#;
    let bodies = [
        ("application/json", r#"[{"e":"portos.licence.activated","p":{}},7]"#.to_owned()),
        ("application/json", "{".to_owned()),
        ("application/cloudevents+json", event.to_owned()),
        ("application/cloudevents-batch+json", format!("[{event},{event}]")),
    ];
    for (content_type, body) in bodies {
        for (name, value) in [
            ("x-api-key", KEY.to_owned()),
            ("x-api-key", CLIENT_KEY.to_owned()),
            ("authorization", bearer(&token)),
            ("authorization", bearer(&forged)),
        ] {
            let request = Request::post(&publish).header("content-type", content_type).header(name, value);
            send(request.header("x-request-id", "id-of-the-test").body(Full::from(body.clone())).unwrap()).await;
        }
    }
    let mut connections = Vec::new();
    // Under version 0 the public id is the token, too.
    for version in [0, 1] {
        connections.push(poll_once(&hub, &token, version).await);
        connections.push(stream_once(&hub, &token, version).await);
    }
    client.close().await;
    let (code, printed, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    let of_the_test = |line: &&str| line.contains("id-of-the-test");
    for text in ["a request was refused", "a batch was published", "id-of-a-cloud-event"] {
        assert!(log.lines().filter(of_the_test).any(|line| line.contains(text)), "{text} is missing: {log}");
    }
    let by_name = || log.lines().filter(of_the_test).filter(|line| line.contains("publisher=billing"));
    for text in ["a request was refused", "a batch was published"] {
        assert!(by_name().any(|line| line.contains(text)), "{text} is missing with its publisher: {log}");
    }
    let signature = token.rsplit('.').next().unwrap();
    let secrets = [token.as_str(), signature, SECRET, KEY, CLIENT_KEY, "forged-key"];
    for secret in secrets.into_iter().chain(connections.iter().map(String::as_str)) {
        assert!(!log.contains(secret) && !printed.contains(secret), "{secret} in {log}");
    }
}
