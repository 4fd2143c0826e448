//! Event streams on raw sockets: how they are framed, how they end, and what becomes of the socket.

use crate::support::*;
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Opens the stream of a new connection, with this version and more header lines.
async fn stream(running: &Running, version: &str, more: &str) -> (String, TcpStream) {
    let (_, token) = running.negotiate().await;
    let request = format!("GET /echo?id={token} {version}\r\nHost: h\r\nAccept: text/event-stream\r\n{more}\r\n");
    (token, running.open(request).await)
}

async fn post(running: &Running, token: &str, body: &str) {
    let length = body.len();
    let request = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}");
    assert_eq!(answer(&mut running.open(request).await).await.status, 200);
}

/// Reads until the bytes end with `end`.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        bytes.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_stream_ends_with_its_last_chunk_and_its_socket_is_used_again() {
    let mut running = start(Limits::default()).await;
    let (token, mut socket) = stream(&running, "HTTP/1.1", "").await;
    let head = answer(&mut socket).await;
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    assert_eq!((head.header("content-type"), head.header("connection")), (Some("text/event-stream"), None));
    assert_eq!(read_until(&mut socket, ":\r\n\r\n").await, "3\r\n:\r\n\r\n");
    post(&running, &token, "hello").await;
    assert_eq!(read_until(&mut socket, "\r\n\r\n\r\n").await, "F\r\ndata: hello\r\n\r\n\r\n");
    post(&running, &token, "bye").await;
    assert_eq!(read_until(&mut socket, "\r\n\r\n").await, "0\r\n\r\n");
    assert_eq!(running.ended.recv().await, Some(CloseReason::Finished));
    let again = "POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    socket.write_all(again.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut socket).await.status, 200);
    running.counts.emptied().await;
}

#[tokio::test]
async fn a_stream_of_a_client_that_wants_no_other_request_ends_with_its_socket() {
    let running = start(Limits::default()).await;
    for (version, more, body) in [
        ("HTTP/1.1", "Connection: close\r\n", "3\r\n:\r\n\r\nF\r\ndata: hello\r\n\r\n\r\n0\r\n\r\n"),
        ("HTTP/1.0", "", ":\r\ndata: hello\r\n\r\n"),
    ] {
        let (token, mut socket) = stream(&running, version, more).await;
        let head = answer(&mut socket).await;
        assert_eq!((head.status, head.header("connection")), (200, Some("close")), "{version}");
        assert_eq!(head.header("transfer-encoding").is_some(), version == "HTTP/1.1");
        post(&running, &token, "hello").await;
        post(&running, &token, "bye").await;
        assert_eq!(closed(&mut socket).await, body, "{version}");
    }
    running.counts.emptied().await;
}

#[tokio::test]
async fn a_stream_whose_client_sends_meanwhile_ends_with_its_socket() {
    let running = start(Limits::default()).await;
    let (token, mut socket) = stream(&running, "HTTP/1.1", "").await;
    assert_eq!(answer(&mut socket).await.status, 200);
    let early = "POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    socket.write_all(early.as_bytes()).await.unwrap();
    // When a later event has arrived, the server has seen what was sent before it.
    post(&running, &token, "hello").await;
    read_until(&mut socket, "hello\r\n\r\n\r\n").await;
    post(&running, &token, "bye").await;
    assert_eq!(closed(&mut socket).await, "0\r\n\r\n");
    assert_eq!(running.counts.waiting(), 0, "what came too early was not done");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_stream_is_disconnected() {
    let mut running = start(Limits::default()).await;
    let (token, mut socket) = stream(&running, "HTTP/1.1", "").await;
    assert_eq!(answer(&mut socket).await.status, 200);
    post(&running, &token, "drown").await;
    assert_eq!(running.ended.recv().await, Some(CloseReason::SlowConsumer));
    running.counts.emptied().await;
    // The end is a reset, which arrives although the kernel still holds unread bytes.
    let end = closed(&mut socket).await;
    assert!(!end.ends_with("0\r\n\r\n"), "the stream seems to be whole");
}

#[tokio::test]
async fn a_client_that_leaves_its_stream_frees_the_connection() {
    let mut running = start(Limits::default()).await;
    let (_, mut socket) = stream(&running, "HTTP/1.1", "").await;
    assert_eq!(answer(&mut socket).await.status, 200);
    assert_eq!(running.counts.active(), 1);
    drop(socket);
    assert_eq!(running.ended.recv().await, Some(CloseReason::ClientGone));
    running.quiet().await;
}
