//! Lists of connections in the admin API: of thousands, several at once, and those of clients that are slow.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::admin::{TOKEN, call, start};
use crate::common::Running;

/// The frames of a handshake and of a subscription to every change of tickets, with a mask of zeros.
fn frames(texts: &[&str]) -> Vec<u8> {
    let frame = |text: &&str| {
        let length = 0x80 | u8::try_from(text.len() + 1).unwrap();
        [&[0x81, length, 0, 0, 0, 0][..], text.as_bytes(), &[0x1E]].concat()
    };
    texts.iter().flat_map(frame).collect()
}

/// Opens a WebSocket with a token on a socket that may have a small buffer, and sends frames.
pub(crate) async fn connect(node: &Running, token: &str, receive_buffer: Option<u32>, texts: &[&str]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    receive_buffer.into_iter().for_each(|size| socket.set_recv_buffer_size(size).unwrap());
    let mut socket = socket.connect(node.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let head = format!(
        "GET {HUB_PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "the server has closed the socket");
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    socket.write_all(&frames(texts)).await.unwrap();
    socket
}

pub(crate) fn token(node: &Running, user: &str) -> String {
    node.token(|content| {
        content.user = user.to_owned();
        content.lifetime = Duration::from_secs(600);
    })
}

async fn list(node: &Running, query: &str) -> Value {
    let answer = call(node, "GET", &format!("connections?{query}"), Some(TOKEN), "").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    answer.body
}

/// How many connections there are room for, of which both ends are in this process, beside other tests: 5 000, if the limit of descriptors allows.
fn many() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    limit.and_then(|limit| limit.parse::<usize>().ok()).map_or(100, |limit| limit / 4).min(5_000)
}

#[tokio::test]
async fn thousands_of_connections_are_paged_through_and_lists_beyond_four_at_once_are_refused() {
    let node = start("[limits]\nsockets_per_address = \"unlimited\"").await;
    let count = many();
    let (mut sockets, ann) = (Vec::with_capacity(count), token(&node, "ann"));
    for _ in 1..count {
        sockets.push(connect(&node, &ann, None, &[]).await);
    }
    sockets.push(connect(&node, &token(&node, "ben"), None, &[]).await);
    let (mut ids, mut query, mut pages) = (BTreeSet::new(), "limit=1000".to_owned(), 0);
    loop {
        let page = list(&node, &query).await;
        let rows = page["value"].as_array().unwrap();
        assert!(rows.len() <= 1_000, "{}", rows.len());
        for row in rows {
            assert!(ids.insert(row["id"].as_str().unwrap().to_owned()), "{row} is there twice");
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=1000&after={next}");
    }
    assert_eq!((ids.len(), pages), (count, count.div_ceil(1_000)));
    assert_eq!(list(&node, "user=ben").await["value"].as_array().unwrap().len(), 1);

    // A long list yields to other work many times, so lists that are asked for at once are made at the same time.
    if count >= 5_000 {
        let answers = join_all((0..12).map(|_| call(&node, "GET", "connections?limit=1", Some(TOKEN), ""))).await;
        let (refused, made): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 429);
        assert!(made.len() >= 4 && made.iter().all(|answer| answer.status == 200), "{made:?}");
        assert!(!refused.is_empty(), "{} lists were made at once", made.len());
        for refused in refused {
            assert_eq!((refused.verdict().as_str(), refused.header("retry-after")), ("429 too_many_lists", "1"));
        }
        assert_eq!(list(&node, "limit=1").await["value"].as_array().unwrap().len(), 1);
    }
    drop(sockets);
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_listed_as_slow_and_one_that_reads_is_not() {
    let node = start("[hub]\ntransport_max_buffer_size = \"1MiB\"").await;
    let subscribe = r#"{"type":1,"target":"Subscribe","arguments":[{"e":"portos.licence.activated"}]}"#;
    let texts = [r#"{"protocol":"json","version":1}"#, subscribe];
    let slow_socket = connect(&node, &token(&node, "slow"), Some(4_096), &texts).await;
    let mut fast = connect(&node, &token(&node, "fast"), None, &texts).await;
    tokio::spawn(async move { while fast.read(&mut [0; 65_536]).await.is_ok_and(|read| read > 0) {} });
    while list(&node, "event=portos.licence.activated").await["value"].as_array().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let payload = json!({"u": {"u": "1", "d": "d", "f": null}, "i": {"m": "x".repeat(32 * 1024)}});
    let event = json!({"e": "portos.licence.activated", "p": payload}).to_string();
    let mut slow = Vec::new();
    // The buffers of the kernel take the first ones. A quarter of the limit is 256 KiB, so that no step leads from there beyond all of it.
    for _ in 0..1_000 {
        assert_eq!(node.publish(&event).await.status, 202);
        slow = list(&node, "slow=true").await["value"].as_array().unwrap().clone();
        if !slow.is_empty() {
            break;
        }
    }
    let users: Vec<&str> = slow.iter().map(|row| row["user"].as_str().unwrap()).collect();
    assert_eq!(users, ["slow"]);
    let queued = slow[0]["queued_bytes"].as_u64().unwrap();
    assert!((256 * 1024 + 1..1_024 * 1024).contains(&queued), "{queued}");
    assert!(slow[0]["queued_oldest_seconds"].as_f64().is_some());
    assert_eq!(list(&node, "sort=queued&limit=1").await["value"][0]["user"], "slow");
    assert_eq!(list(&node, "slow=false").await["value"].as_array().unwrap().len(), 2);
    drop(slow_socket);
    node.stop().await;
}
