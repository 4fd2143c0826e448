//! The internal listener, and how a server ends.

use std::time::Duration;

use crate::common::certificate::Files;
use crate::common::{Answer, KEY, Running, configuration, send};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub_client::{Client, Disconnected};
use signalhub_server::{Node, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const EVENT: &str = r#"{"e":"portos.licence.activated","p":{}}"#;

async fn ask(method: &str, url: &str) -> Answer {
    send(Request::builder().method(method).uri(url).body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn the_internal_listener_tells_how_the_server_is() {
    let node = Running::start(configuration("")).await;
    let rows = [
        ("GET", "/health/live", "200 -"),
        ("GET", "/health/ready", "200 -"),
        ("HEAD", "/health/ready", "200 -"),
        ("POST", "/health/live", "405 method_not_allowed"),
        ("GET", "/metrics", "200 -"),
        ("DELETE", "/metrics", "405 method_not_allowed"),
        ("GET", "/health", "404 not_found"),
        ("POST", "/api/v1/publish", "404 not_found"),
        ("GET", "/signalr/v1/mainHub", "404 not_found"),
        ("GET", "/", "200 -"),
        ("GET", "/nothing", "404 not_found"),
    ];
    for (method, path, verdict) in rows {
        let answer = ask(method, &format!("{}{path}", node.internal)).await;
        assert_eq!(answer.verdict(), verdict, "{method} {path}");
        assert!(!answer.header("x-request-id").is_empty());
    }
    node.stop().await;
}

#[tokio::test]
async fn the_metrics_tell_what_was_counted() {
    let node = Running::start(configuration("[limits]\nconnections = 1")).await;
    let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    let request = json!({"e": "portos.licence.activated"});
    client.invoke::<()>("Subscribe", (request,)).await.unwrap();
    assert!(Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.is_err());
    assert_eq!(node.publish(EVENT).await.status, 202);
    let page = ask("GET", &format!("{}/metrics", node.internal)).await;
    assert_eq!(page.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        "# TYPE signalhub_connections_active gauge",
        "signalhub_connections_active 1",
        "signalhub_connections_waiting 0",
        "signalhub_subscriptions_active 1",
        "# TYPE signalhub_refusals counter",
        "signalhub_refusals_total{limit=\"connections\"} 1",
        "signalhub_refusals_total{limit=\"header_timeout\"} 0",
        "signalhub_events_published_total 1",
        "signalhub_events_matched_total 1",
        "# EOF",
    ] {
        assert!(page.text.lines().any(|found| found == line), "{line} is not in {}", page.text);
    }
    assert!(!page.text.contains("signalhub_runtime_tasks 0\n"));
    let document = include_str!("../../../../docs/operations.md");
    for line in page.text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        // The lines of a histogram.
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(document.contains(name), "{name} is not in docs/operations.md");
        if let Some((_, limit)) = line.split_once("limit=\"") {
            let limit = limit.split('"').next().unwrap();
            assert!(document.contains(&format!("`{limit}`")), "{limit} is not in docs/operations.md");
        }
    }
    client.close().await;
    node.counts.connections().emptied().await;
    let page = ask("GET", &format!("{}/metrics", node.internal)).await;
    let ended = "signalhub_connections_ended_total{reason=\"client_closed\"} 1";
    assert!(page.text.lines().any(|found| found == ended), "{}", page.text);
    node.stop().await;
}

#[tokio::test]
async fn readiness_ends_first_and_the_internal_listener_last() {
    let node = Running::start(configuration("shutdown_delay = \"1s\"")).await;
    let (url, internal) = (node.url.clone(), node.internal.clone());
    let publishing = async |url: &str| {
        let request = Request::post(format!("{url}/api/v1/publish")).header("X-API-Key", KEY);
        send(request.body(Full::from(EVENT)).unwrap()).await.verdict()
    };
    let ended = node.begin_to_stop();
    while ask("GET", &format!("{internal}/health/ready")).await.verdict() == "200 -" {
        tokio::task::yield_now().await;
    }
    let answer = ask("GET", &format!("{internal}/health/ready")).await;
    assert_eq!((answer.verdict().as_str(), answer.header("retry-after")), ("503 unavailable", "1"));
    assert_eq!(ask("GET", &format!("{internal}/health/live")).await.verdict(), "200 -");
    assert_eq!(publishing(&url).await, "202 -");
    ended.await.unwrap();
    for url in [url, internal] {
        assert!(TcpStream::connect(url.trim_start_matches("http://")).await.is_err());
    }
}

#[tokio::test]
async fn clients_are_sent_away_one_after_another_and_publishes_are_refused_meanwhile() {
    for listen in ["", "[publish]\nlisten = \"127.0.0.1:0\""] {
        are_sent_away_one_after_another(listen).await;
    }
}

async fn are_sent_away_one_after_another(publish: &str) {
    let node = Running::start(configuration(&format!("drain_time = \"2s\"\n{publish}"))).await;
    let connect = async || Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    let clients = [connect().await, connect().await];
    let url = format!("{}/api/v1/publish", node.publish_url);
    let ended = node.begin_to_stop();
    let answer = loop {
        let request = Request::post(&url).header("X-API-Key", KEY);
        let answer = send(request.body(Full::from(EVENT)).unwrap()).await;
        if answer.status != 202 {
            break answer;
        }
    };
    assert_eq!((answer.verdict().as_str(), answer.header("retry-after")), ("503 unavailable", "1"));
    let [first, second] = &clients;
    let lost = |why: Disconnected| assert!(matches!(why, Disconnected::Lost(_)), "{why:?}");
    let start = tokio::time::Instant::now();
    let ((), ()) =
        tokio::join!(async { lost(first.disconnected().await) }, async { lost(second.disconnected().await) },);
    assert!(start.elapsed() > Duration::from_millis(500), "both were sent away at once");
    ended.await.unwrap();
}

#[tokio::test]
async fn a_publish_in_flight_is_answered() {
    let node = Running::start(configuration("")).await;
    let mut socket = TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nExpect: 100-continue\r\n");
    let head = format!("{head}Content-Length: {}\r\n\r\n", EVENT.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut leave = [0; 25];
    // The server asks for the body, so the publish has begun.
    socket.read_exact(&mut leave).await.unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    let ended = node.begin_to_stop();
    socket.write_all(EVENT.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    tokio::time::timeout(Duration::from_secs(4), ended).await.expect("nothing is left").unwrap();
}

#[tokio::test]
async fn an_internal_listener_can_be_elsewhere_or_nowhere() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = configuration("");
    let internal = format!("[listen]\ninternal = \"{}\"", taken.local_addr().unwrap());
    settings.read_toml("test", &internal).unwrap();
    let refused = Node::bind(&settings).await.unwrap_err();
    assert!(matches!(refused, StartError::ListenInternally { .. }), "{refused}");
    settings.read_toml("test", "[listen]\ninternal = \"\"").unwrap();
    assert_eq!(Node::bind(&settings).await.unwrap().internal_address(), None);
}

#[tokio::test]
async fn a_history_can_be_opened_again_when_its_node_has_stopped_or_did_not_start() {
    let files = Files::new();
    let settings = format!("[history]\nstore = \"disk\"\ndirectory = \"{}\"", files.folder().display());
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut cannot_start = configuration(&settings);
    let address = taken.local_addr().unwrap();
    cannot_start.read_toml("test", &format!("[listen]\ninternal = \"{address}\"")).unwrap();
    Node::bind(&cannot_start).await.unwrap_err();
    let node = Running::start(configuration(&settings)).await;
    // The counts have the broker, and with it the history.
    let counts = node.counts.clone();
    node.stop().await;
    Running::start(configuration(&settings)).await.stop().await;
    assert_eq!(counts.published(), 0);
}
