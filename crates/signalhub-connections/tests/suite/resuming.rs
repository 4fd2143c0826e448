//! Connections that survive the loss of their WebSockets, over real sockets.

use std::time::Duration;

use crate::support::*;
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn resumable(timeout: Duration) -> Running {
    let endpoint =
        |endpoint: Endpoint| endpoint.identify(Named).allow_stateful_reconnects().disconnect_timeout(timeout);
    start_with(endpoint, |server| server.limits(Limits::default().descriptor_headroom(0))).await
}

async fn negotiate(running: &Running, user: &str) -> String {
    let answer =
        running.ask("POST /echo/negotiate?negotiateVersion=1&useStatefulReconnect=true", &[("user", user)]).await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["useStatefulReconnect"], true);
    body["connectionToken"].as_str().unwrap().to_owned()
}

/// Asks for a WebSocket, and returns the status of the answer.
async fn upgrade(running: &Running, token: &str, user: &str) -> (u16, TcpStream) {
    running.upgrade(&format!("/echo?id={token}"), &format!("user: {user}\r\n")).await
}

async fn connect(running: &Running, token: &str, user: &str) -> TcpStream {
    let (status, socket) = upgrade(running, token, user).await;
    assert_eq!(status, 101);
    socket
}

/// Resets the socket without a close frame.
fn lose(socket: TcpStream) {
    socket.set_zero_linger().unwrap();
    drop(socket);
}

#[tokio::test]
async fn a_lost_socket_is_replaced_and_unacknowledged_messages_are_sent_again() {
    let running = resumable(Duration::from_secs(60)).await;
    let token = negotiate(&running, "ann").await;
    for round in 0..3u32 {
        let mut socket = connect(&running, &token, "ann").await;
        for number in 0..round {
            expect_text(&mut socket, &format!("round {number}")).await;
        }
        echo(&mut socket, &format!("round {round}")).await;
        lose(socket);
        until(|| running.counts.suspended() == 1).await;
    }
    assert_eq!((running.counts.resumed(), running.counts.given_up(), running.counts.active()), (2, 0, 1));
}

#[tokio::test]
async fn a_new_socket_takes_over_while_the_old_one_is_half_open() {
    let running = resumable(Duration::from_secs(60)).await;
    let token = negotiate(&running, "ann").await;
    let mut old = connect(&running, &token, "ann").await;
    echo(&mut old, "old").await;
    let mut new = connect(&running, &token, "ann").await;
    expect_text(&mut new, "old").await;
    echo(&mut new, "new").await;
    let mut close = Vec::new();
    old.read_to_end(&mut close).await.unwrap();
    assert_eq!(close, [0x88, 2, 0x03, 0xE8], "the old one gets Close 1000 and nothing else");
    assert_eq!((running.counts.resumed(), running.counts.active()), (1, 1));
}

#[tokio::test]
async fn other_users_cannot_take_over_a_connection() {
    let running = resumable(Duration::from_secs(60)).await;
    let token = negotiate(&running, "ann").await;
    let mut socket = connect(&running, &token, "ann").await;
    echo(&mut socket, "mine").await;
    assert_eq!(upgrade(&running, &token, "bob").await.0, 404);
    echo(&mut socket, "still").await;
    lose(socket);
    until(|| running.counts.suspended() == 1).await;
    assert_eq!(upgrade(&running, &token, "bob").await.0, 404);
    assert_eq!(running.ask(&format!("GET /echo?id={token}"), &[("user", "ann")]).await.status, 400);
    let mut back = connect(&running, &token, "ann").await;
    expect_text(&mut back, "mine").await;
}

#[tokio::test]
async fn an_orderly_close_ends_the_connection() {
    let mut running = resumable(Duration::from_secs(60)).await;
    let token = negotiate(&running, "ann").await;
    let mut socket = connect(&running, &token, "ann").await;
    socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]).await.unwrap();
    assert_eq!(running.ended.recv().await, Some(CloseReason::ClientClosed));
    running.quiet().await;
    assert_eq!(upgrade(&running, &token, "ann").await.0, 404);
    assert_eq!(running.counts.given_up(), 0);
}

#[tokio::test]
async fn suspended_connections_end_and_leave_nothing() {
    const COUNT: usize = 2000;
    let timeout = Duration::from_secs(60);
    let running = resumable(timeout).await;
    for _ in 0..COUNT {
        let token = negotiate(&running, "ann").await;
        lose(connect(&running, &token, "ann").await);
    }
    until(|| running.counts.suspended() == COUNT).await;
    assert_eq!(running.counts.given_up(), 0);
    pass(timeout + Duration::from_secs(1)).await;
    until(|| running.counts.given_up() == COUNT as u64).await;
    running.quiet().await;
    assert_eq!((running.counts.suspended(), running.counts.active(), running.counts.resumed()), (0, 0, 0));
}
