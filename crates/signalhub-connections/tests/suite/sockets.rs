//! How many sockets an address may have.

#![cfg(target_os = "linux")]
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::support::*;
use signalhub_connections::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

/// Opens a socket from one of this machine's many addresses.
async fn open_from(running: &Running, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)).unwrap();
    socket.connect(running.address).await.unwrap()
}

async fn status(socket: &mut TcpStream, request: &str) -> u16 {
    socket.write_all(request.as_bytes()).await.unwrap();
    answer(socket).await.status
}

const NOTHING: &str = "GET /other HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn an_address_cannot_exceed_its_number_of_sockets_whatever_they_do() {
    let running = start(Limits::default().sockets_per_address(3)).await;
    let mut idle = open_from(&running, 1).await;
    assert_eq!(status(&mut idle, NOTHING).await, 404);
    let mut upgraded = open_from(&running, 1).await;
    assert_eq!(status(&mut upgraded, &format!("{UPGRADE}\r\n")).await, 101);
    let silent = open_from(&running, 1).await;
    let refused = closed(&mut open_from(&running, 1).await).await;
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("Retry-After: 5\r\n"), "{refused}");
    assert_eq!(running.counts.refusals().sockets_per_address, 1);
    assert_eq!(status(&mut open_from(&running, 2).await, NOTHING).await, 404, "others have their own");
    drop(upgraded);
    running.quiet().await;
    let mut events = open_from(&running, 1).await;
    let token = negotiate(&running).await;
    let stream = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    assert_eq!(status(&mut events, &stream).await, 200);
    assert!(closed(&mut open_from(&running, 1).await).await.starts_with("HTTP/1.1 429 "));
    drop((idle, silent, events));
    running.quiet().await;
    let limits = running.counts.refusals();
    assert_eq!((limits.sockets_per_address, limits.per_address), (2, 0));
}

/// Negotiates from an address of its own.
async fn negotiate(running: &Running) -> String {
    let mut socket = open_from(running, 9).await;
    let request = "POST /echo/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&answer(&mut socket).await.body).unwrap();
    body["connectionToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_proxys_socket_counts_for_the_client_that_it_carries() {
    const PAGE: &str = "https://app.example.com";
    let origins = Origins::same().allow(PAGE).unwrap();
    let proxies = TrustedProxies::none().trust("127.0.0.1").unwrap();
    let limits = Limits::default().sockets_per_address(2);
    let running =
        start_with(|endpoint| endpoint, |server| server.trusted_proxies(proxies).origins(origins).limits(limits)).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut socket = open_from(&running, 1).await;
        let request = NOTHING.replace("\r\n\r\n", "\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n");
        assert_eq!(status(&mut socket, &request).await, 404, "sockets that the proxy keeps open count for no client");
        idle.push(socket);
    }
    let upgrade = |client: &str| format!("{UPGRADE}Origin: {PAGE}\r\nX-Forwarded-For: {client}\r\n\r\n");
    let mut carried = Vec::new();
    for (client, expected) in [
        ("10.0.0.1", 101),
        ("10.0.0.1", 101),
        ("10.0.0.1", 429),
        ("2001:db8::1", 101),
        ("2001:db8::2", 101),
        ("2001:db8::3", 429),
    ] {
        let mut socket = open_from(&running, 1).await;
        socket.write_all(upgrade(client).as_bytes()).await.unwrap();
        let answer = answer(&mut socket).await;
        assert_eq!(answer.status, expected, "{client}");
        if expected == 429 {
            assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "its page can read it");
            assert_eq!(answer.header("retry-after"), Some("5"));
            assert_eq!(status(&mut socket, NOTHING).await, 404, "the proxy's socket serves others");
        }
        carried.push(socket);
    }
    assert_eq!(running.counts.refusals().sockets_per_address, 2);
    drop(carried);
    running.quiet().await;
    assert_eq!(status(&mut open_from(&running, 1).await, &upgrade("10.0.0.1")).await, 101);
    running.quiet().await;
}
