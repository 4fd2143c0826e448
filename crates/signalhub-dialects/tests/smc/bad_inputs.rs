//! Clients that send what no client should, or read nothing: each gets its answer, and others do not notice.

use std::time::Duration;

use futures_util::SinkExt;
use signalhub_connections::{ClientError, Limits, Rate};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::*;

#[tokio::test]
async fn malformed_commands_are_answered_with_failure_and_the_socket_stays_open() {
    let running = start().await;
    let mut client = running.open(&running.log_in(KEY).await).await;
    let names = vec!["host"; 10_000].join(",");
    let long = vec!["x"; 2000].join(", ");
    for command in [
        "no JSON",
        "",
        "[]",
        "{}",
        r#"{"context": 7}"#,
        r#"{"context": "vpn"}"#,
        r#"{"context": "host,,router"}"#,
        r#"{"context": "host", "unsubscribe": 0}"#,
        r#"{"fetch": {}}"#,
        r#"{"abort": 1}"#,
        r#"{"unsubscribe": 0}"#,
        r#"{"unsubscribe": "0"}"#,
        &format!(r#"{{"context": "{names}"}}"#),
        &format!(r#"{{"context": "{long}"}}"#),
        &"[".repeat(60_000),
    ] {
        let answer = client.ask(command).await;
        let start = &command[..command.len().min(80)];
        let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(json["failure"].is_string() && json.as_object().unwrap().len() == 1, "{start}: {answer}");
        assert!(answer.len() < 400, "{start}: {answer}");
    }
    client.0.send(Message::binary(&br#"{"context": "host"}"#[..])).await.unwrap();
    assert!(client.text().await.starts_with(r#"{"failure":"a binary message: expected "#));
    assert_eq!(client.subscribe("host").await, 0, "refused commands take no ids");
    assert_eq!(running.counts.client_errors(ClientError::InvalidCommand), 16);
}

#[tokio::test]
async fn a_message_that_is_too_long_or_not_utf_8_ends_its_socket_alone() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    let mut other = running.open(&cookie).await;
    let mut client = running.open(&cookie).await;
    client.send(&"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(client.closed().await.0, 1009);
    assert_eq!(other.subscribe("*").await, 0);
}

#[tokio::test]
async fn a_flood_of_subscriptions_is_refused_beyond_the_limit() {
    let running = start().await;
    let mut client = running.open(&running.log_in(KEY).await).await;
    for _ in 0..100 {
        client.subscribe("host").await;
    }
    for _ in 0..10 {
        let answer = client.ask(r#"{"context": "host"}"#).await;
        assert!(answer.starts_with(r#"{"failure":"a connection has at most 100 subscriptions"#), "{answer}");
    }
    assert_eq!(running.broker.subscription_count(), 100);
    assert_eq!(running.counts.refusals().subscriptions, 10);
    client.ask(r#"{"unsubscribe": 5}"#).await;
    assert_eq!(client.subscribe("host").await, 100);
}

#[tokio::test]
async fn commands_beyond_the_rate_are_refused() {
    let set = |settings: &mut signalhub_dialects::smc::Settings| {
        settings.command_rate = Some(Rate::new(5, Duration::from_secs(600)));
    };
    let running = start_with(set, |server| server, |endpoint| endpoint).await;
    let mut client = running.open(&running.log_in(KEY).await).await;
    for _ in 0..5 {
        client.subscribe("host").await;
    }
    assert_eq!(client.ask(r#"{"context": "host"}"#).await, r#"{"failure":"too many commands: try again later"}"#);
    assert_eq!(running.counts.refusals().commands, 1);
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_others_get_every_event() {
    let limits = Limits::default();
    let server = |server: signalhub_connections::Server| server.limits(limits).send_buffer_size(4096).unwrap();
    let running = start_with(|_| {}, server, |endpoint| endpoint.queue_limit(64 * 1024)).await;
    let cookie = running.log_in(KEY).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let socket = socket.connect(running.address).await.unwrap();
    let mut request = format!("ws://{}/7.2/notification/socket", running.address).into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    let (socket, _) = client_async(request, socket).await.unwrap();
    let mut deaf = Client(socket);
    deaf.subscribe("*").await;
    let mut reader = running.open(&cookie).await;
    reader.subscribe("*").await;
    let mut published = 0;
    while running.counts.active() == 2 {
        running.publish(changed("host", 2, published, "")).await;
        let expected = format!("/elements/host/{published}\"");
        assert!(reader.text().await.contains(&expected));
        published += 1;
        assert!(published < 100_000, "the client is still open");
    }
    assert_eq!(running.publish(changed("host", 2, 0, "")).await.matched, 1);
}

#[tokio::test]
async fn half_a_request_keeps_no_one_else_waiting() {
    let server =
        |server: signalhub_connections::Server| server.limits(Limits::default().body_timeout(Duration::from_secs(30)));
    let running = start_with(|_| {}, server, |endpoint| endpoint).await;
    let mut half = TcpStream::connect(running.address).await.unwrap();
    half.write_all(b"POST /7.2/login HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{").await.unwrap();
    running.log_in(KEY).await;
    pass(Duration::from_secs(31)).await;
    let answer = read_answer(&mut half).await;
    assert_eq!(answer.status, 408, "{answer:?}");
}
