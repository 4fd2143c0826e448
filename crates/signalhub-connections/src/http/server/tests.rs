use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn the_send_buffer_has_the_size_that_is_set() {
    for bytes in [16 * 1024, 64 * 1024] {
        let server = Server::bind("127.0.0.1:0").await.unwrap().send_buffer_size(bytes).unwrap();
        let client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = server.listener.accept().await.unwrap();
        let held = SockRef::from(&accepted).send_buffer_size().unwrap();
        assert!((bytes..=2 * bytes).contains(&held), "{held} for {bytes}");
        drop(client);
    }
}

#[tokio::test]
async fn the_kernel_notices_within_a_minute_that_a_peer_has_vanished() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = server.listener.accept().await.unwrap();
    let options = SockRef::from(&accepted);
    assert!(options.keepalive().unwrap(), "an idle socket is asked");
    let asked = options.tcp_keepalive_interval().unwrap() * options.tcp_keepalive_retries().unwrap();
    assert!(options.tcp_keepalive_time().unwrap() + asked <= Duration::from_secs(60));
    #[cfg(target_os = "linux")]
    assert_eq!(options.tcp_user_timeout().unwrap(), Some(Duration::from_secs(60)), "so is one that was written to");
    drop(client);
}

#[tokio::test]
async fn a_server_runs_with_any_send_timeout() {
    let longest = Duration::from_millis(2_147_483_647);
    for (timeout, expected) in [
        (Duration::ZERO, Duration::from_secs(60)),
        (Duration::from_secs(3600), Duration::from_secs(3600)),
        (longest, longest),
        (longest + Duration::from_millis(1), longest),
        (Duration::from_secs(30 * 24 * 3600), longest),
        (Duration::MAX, longest),
    ] {
        let server = Server::bind("127.0.0.1:0").await.unwrap().limits(Limits::default().send_timeout(timeout));
        let options = SockRef::from(&server.listener);
        peers::watch(&options, timeout).unwrap();
        #[cfg(target_os = "linux")]
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(expected), "{timeout:?}");
        let _ = (options, expected);
        let mut socket = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let asking = async {
            socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        };
        assert!(server.run_until(asking).await.is_ok(), "{timeout:?}");
    }
}
