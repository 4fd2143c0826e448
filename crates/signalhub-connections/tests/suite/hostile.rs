//! Malicious and broken clients, over real sockets. After every test the server holds nothing for them.

use std::time::Duration;

use crate::support::*;
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

#[tokio::test]
async fn half_open_and_slow_requests_are_ended() {
    let timeouts = Limits::default().header_timeout(Duration::from_millis(300));
    let running = start(timeouts.idle_timeout(Duration::from_millis(600))).await;
    for (beginning, least) in [
        ("", 300),
        ("GE", 300),
        ("GET /echo HTTP/1.1\r\nHost: h\r\n", 300),
        ("GET /other HTTP/1.1\r\nHost: h\r\n\r\n", 600),
        ("GET /other HTTP/1.1\r\nHost: h\r\n\r\nGET /oth", 300),
    ] {
        let start = Instant::now();
        let mut socket = running.open(beginning).await;
        closed(&mut socket).await;
        assert!(start.elapsed() >= Duration::from_millis(least), "{beginning:?} after {:?}", start.elapsed());
    }
    let (mut reading, mut writing) = running.open("GET /echo HTTP/1.1\r\nX: ").await.into_split();
    let trickle = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let end = async { drop(reading.read_to_end(&mut Vec::new()).await) };
    let both = async { tokio::join!(trickle, end) };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    let refusals = running.counts.refusals();
    // Bytes that arrived together with a whole request do not start the timeout of the next head.
    assert_eq!((refusals.header_timeouts, refusals.idle_timeouts), (4, 2));
    running.quiet().await;
}

#[tokio::test]
async fn a_flood_of_negotiations_stops_at_the_limit() {
    let running = start(Limits::default().pending_negotiations(50).pending_negotiations_per_address(50)).await;
    let (mut taken, mut refused) = (0, 0);
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..200 {
        socket.write_all(b"POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        let answer = answer(&mut socket).await;
        match answer.status {
            200 => taken += 1,
            503 => {
                assert_eq!(answer.header("retry-after"), Some("5"));
                refused += 1;
            }
            other => panic!("{other}"),
        }
        assert!(running.counts.waiting() <= 50);
    }
    assert_eq!(running.counts.refusals().pending_negotiations, refused);
    assert!(taken >= 50 && refused > 0, "{taken} were taken, {refused} refused");
    running.quiet().await;
    running.negotiate().await;
    running.quiet().await;
}

#[tokio::test]
async fn connections_beyond_a_limit_are_refused_and_counted() {
    let upgrade = format!("{UPGRADE}\r\n");
    for (limits, status) in
        [(Limits::default().connections(2), 503), (Limits::default().connections_per_address(2), 429)]
    {
        let running = start(limits).await;
        let mut sockets = Vec::new();
        for expected in [101, 101, status, status] {
            let mut socket = running.open(&upgrade).await;
            let answer = answer(&mut socket).await;
            assert_eq!((answer.status, answer.header("retry-after").is_some()), (expected, expected != 101));
            sockets.push(socket);
        }
        assert_eq!(running.ask("POST /echo/negotiate", &[]).await.status, status);
        let refusals = running.counts.refusals();
        assert_eq!(refusals.connections + refusals.per_address, 3);
        drop(sockets);
        running.quiet().await;
        assert_eq!(answer(&mut running.open(&upgrade).await).await.status, 101);
        running.quiet().await;
    }
}

#[tokio::test]
async fn sockets_are_refused_when_descriptors_run_short() {
    let running = start(Limits::default().descriptor_headroom(usize::MAX)).await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    let refused = closed(&mut socket).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: 5\r\n"), "{refused}");
    assert_eq!(running.counts.refusals().descriptors, 1);
}

#[tokio::test]
async fn requests_are_not_smuggled() {
    let running = start(Limits::default()).await;
    let long = "x".repeat(40_000);
    for (request, expected) in [
        ("POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".into(), 400),
        ("POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\na".into(), 400),
        ("POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 2\r\n\r\nab".into(), 400),
        ("POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n".into(), 400),
        ("POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n".into(), 400),
        ("POST /echo/negotiate HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("GET /echo HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n".into(), 400),
        ("GET /echo HTTP/1.1\r\nHost: h\r\nX: \0\r\n\r\n".into(), 400),
        ("GET /echo HTTP/1.1 \r\nHost: h\r\n\r\n".into(), 400),
        ("GET /echo HTTP/9.9\r\nHost: h\r\n\r\n".into(), 400),
        (format!("GET /echo HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(200)), 431),
    ] {
        let shown = &request[..request.len().min(90)];
        let mut socket = running.open(&request).await;
        assert_eq!(answer(&mut socket).await.status, expected, "{shown:?}");
        assert_eq!(closed(&mut socket).await, "", "{shown:?} leaves a socket that is out of step");
    }
    for (line, expected) in [
        ("POST /echo%2Fnegotiate", 404),
        ("POST /echo/%6eegotiate", 200),
        ("POST /%65cho/negotiate", 200),
        ("POST //echo/negotiate", 404),
        ("POST /echo/../echo/negotiate", 200),
        ("POST /echo/./negotiate", 200),
        ("POST /echo/negotiate;x=1", 404),
        ("POST /echo/negotiate%00", 400),
        ("POST /echo\\negotiate", 404),
        ("POST echo/negotiate", 400),
        ("POST http://h/echo/negotiate", 200),
        ("POST http://other/echo/negotiate", 400),
        ("CONNECT h:80", 404),
        ("OPTIONS *", 404),
    ] {
        assert_eq!(running.ask(line, &[]).await.status, expected, "{line}");
    }
    running.quiet().await;
}

#[tokio::test]
async fn a_length_beside_chunks_is_ignored() {
    let running = start(Limits::default()).await;
    let (_, token) = running.negotiate().await;
    // A server that used the length would read the second request as the body of the first.
    let smuggled = format!("DELETE /echo?id={token} HTTP/1.1\r\nHost: h\r\n\r\n");
    let request = format!(
        "POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{smuggled}\r\n0\r\n\r\n",
        smuggled.len() + 4,
        smuggled.len()
    );
    let mut socket = running.open(request).await;
    let status = answer(&mut socket).await.status;
    socket.shutdown().await.unwrap();
    let rest = closed(&mut socket).await;
    assert!(matches!(status, 200 | 400) && rest.is_empty(), "{status} and then {rest:?}");
    running.quiet().await;
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_ignored() {
    let running = start(Limits::default()).await;
    for body in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let answer = answer(&mut running.open(format!("{UPGRADE}{body}")).await).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, "Connection ID required"), "{body:?}");
    }
    let old = UPGRADE.replace("HTTP/1.1", "HTTP/1.0");
    assert_ne!(answer(&mut running.open(format!("{old}\r\n")).await).await.status, 101);
    running.quiet().await;
}

#[tokio::test]
async fn guesses_at_tokens_all_get_the_same_answer() {
    let running = start(Limits::default()).await;
    let (id, token) = running.negotiate().await;
    let swapped: String =
        token.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    let padded = format!("{token}=");
    let guesses = [&id, &swapped, &padded, &token[..21], "AAAAAAAAAAAAAAAAAAAAAA", "%00", "../x", "a,b"];
    for method in ["GET", "POST", "DELETE"] {
        let mut answers = Vec::new();
        for guess in guesses {
            answers.push(running.ask(&format!("{method} /echo?id={guess}"), &[]).await);
        }
        answers.push(running.ask(&format!("{method} /echo?id={token}&id={token}"), &[]).await);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!((answers[0].status, answers[0].body.as_str()), (404, "No Connection with that ID"));
    }
    assert_eq!(running.ask(&format!("GET /echo?id={token}"), &[]).await.status, 200);
    assert_eq!(running.ask(&format!("DELETE /echo?id={token}"), &[]).await.status, 202);
    running.quiet().await;
}

#[tokio::test]
async fn frames_may_arrive_byte_by_byte_and_compression_is_declined() {
    let running = start(Limits::default()).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let mut socket = running.open(format!("{UPGRADE}{offer}")).await;
    let accepted = answer(&mut socket).await;
    assert_eq!((accepted.status, accepted.header("sec-websocket-extensions")), (101, None));
    socket.set_nodelay(true).unwrap();
    let mut frame = vec![0x81, 0xFE, 0, 130, 0, 0, 0, 0];
    frame.extend_from_slice(&[b'z'; 130]);
    let mut echoed = Vec::new();
    for byte in frame {
        socket.write_all(&[byte]).await.unwrap();
        // From the beginning of the payload, every byte is echoed alone or with the one before.
        tokio::task::yield_now().await;
    }
    while echoed.iter().filter(|byte| **byte == b'z').count() < 130 {
        assert_ne!(socket.read_buf(&mut echoed).await.unwrap(), 0);
    }
    drop(socket);
    running.quiet().await;
}

/// Writes until the socket takes no more, and returns how many bytes it took.
async fn fill(socket: &mut TcpStream) -> usize {
    let chunk = [&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat();
    let mut written = 0;
    while let Ok(Ok(n)) =
        tokio::time::timeout(Duration::from_millis(300), socket.write(&chunk[written % chunk.len()..])).await
    {
        written += n;
    }
    written
}

#[tokio::test]
async fn an_encoded_post_is_refused_by_its_encoding() {
    let running = start(Limits::default().negotiation_lifetime(Duration::from_secs(1))).await;
    let (_, token) = running.negotiate().await;
    let path = format!("POST /echo?id={token}");
    let refused = running.ask(&path, &[("Content-Encoding", "gzip")]).await;
    assert_eq!((refused.status, refused.header("accept-encoding")), (415, Some("identity")));
    let text = "unsupported_encoding: the body must come without Content-Encoding, found \"gzip\"";
    assert_eq!(refused.body, text);
    assert_eq!(running.ask(&path, &[("Content-Encoding", "identity")]).await.status, 200);
    running.quiet().await;
}

#[tokio::test]
async fn posts_without_end_wait_and_end_with_their_client() {
    let mut running = start(Limits::default()).await;
    let (_, token) = running.negotiate().await;
    let events = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    let mut events = running.open(events).await;
    assert_eq!(answer(&mut events).await.status, 200);
    assert_eq!(running.ask(&format!("POST /echo?id={token}"), &[]).await.status, 200);
    let post = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut deaf = running.open(format!("{post}4\r\ndeaf\r\n")).await;
    while !String::from_utf8_lossy(&events.read_u8().await.unwrap().to_le_bytes()).contains('f') {}
    let taken = fill(&mut deaf).await;
    assert!(taken < 16 << 20, "{taken} bytes were taken");
    let mut next = running.open(post).await;
    fill(&mut next).await;
    drop((deaf, next));
    assert_eq!(running.counts.active(), 1);
    drop(events);
    assert_eq!(running.ended.recv().await, Some(CloseReason::ClientGone));
    running.quiet().await;
}

#[tokio::test]
async fn posts_before_any_transport_are_dropped_with_their_connection() {
    let running = start(Limits::default()).await;
    let (_, token) = running.negotiate().await;
    let length = 1 << 20;
    let mut post =
        running.open(format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n")).await;
    post.write_all(&vec![b'x'; length]).await.unwrap();
    pass(NEGOTIATION_LIFETIME + Duration::from_secs(1)).await;
    // It is answered because its negotiation has expired.
    assert!(matches!(answer(&mut post).await.status, 200 | 404));
    running.quiet().await;
}

#[tokio::test]
async fn a_post_that_began_before_the_transport_is_not_lost() {
    let running = start(Limits::default()).await;
    let (_, token) = running.negotiate().await;
    let length = 200_000;
    let mut post =
        running.open(format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n")).await;
    post.write_all(&vec![b'x'; 50_000]).await.unwrap();
    let events = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    let mut events = running.open(events).await;
    assert_eq!(answer(&mut events).await.status, 200);
    let reading = tokio::spawn(async move {
        let (mut bytes, mut echoed) = (vec![0; 16 * 1024], 0);
        while echoed < length {
            let n = events.read(&mut bytes).await.unwrap();
            assert_ne!(n, 0, "only {echoed} bytes came back");
            echoed += bytes[..n].iter().filter(|byte| **byte == b'x').count();
        }
        echoed
    });
    post.write_all(&vec![b'x'; length - 50_000]).await.unwrap();
    assert_eq!(answer(&mut post).await.status, 200);
    assert_eq!(reading.await.unwrap(), length);
    running.quiet().await;
}

#[tokio::test]
async fn a_connection_has_one_transport() {
    let running = start(Limits::default()).await;
    let (_, token) = running.negotiate().await;
    let upgrade = UPGRADE.replace("/echo", &format!("/echo?id={token}"));
    let mut socket = running.open(format!("{upgrade}\r\n")).await;
    assert_eq!(answer(&mut socket).await.status, 101);
    assert_eq!(answer(&mut running.open(format!("{upgrade}\r\n")).await).await.status, 409);
    let path = format!("/echo?id={token}");
    let changed = "Cannot change transports mid-connection";
    for (line, accept, status, body) in [
        ("GET", "text/event-stream", 400, changed),
        ("GET", "*/*", 400, changed),
        ("POST", "*/*", 405, "POST requests are not allowed for WebSocket connections."),
        ("DELETE", "*/*", 400, "Cannot terminate this connection using the DELETE endpoint."),
    ] {
        let answer = running.ask(&format!("{line} {path}"), &[("Accept", accept)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{line} with {accept}");
    }
    drop(socket);
    running.quiet().await;
    let gone = running.ask(&format!("GET {path}"), &[]).await;
    assert_eq!((gone.status, gone.body.as_str()), (404, "No Connection with that ID"), "the token is used up");
}

#[tokio::test]
async fn a_client_may_poll_and_post_from_another_address() {
    let mut running = start(Limits::default().connections_per_address(1)).await;
    let (_, token) = running.negotiate().await;
    let path = format!("/echo?id={token}");
    assert_eq!(running.ask(&format!("GET {path}"), &[]).await.status, 200);
    let from_elsewhere = async |request: String| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut socket = socket.connect(running.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        answer(&mut socket).await
    };
    let post = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(from_elsewhere(post).await.status, 200);
    assert_eq!(from_elsewhere(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await.body, "hello");
    let negotiation = "POST /echo/negotiate HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(from_elsewhere(negotiation.into()).await.status, 200, "the connection counts for its first address");
    assert_eq!(running.ask("POST /echo/negotiate", &[]).await.status, 429);
    assert_eq!(running.ask(&format!("DELETE {path}"), &[]).await.status, 202);
    assert_eq!(running.ended.recv().await, Some(CloseReason::ClientClosed));
    running.counts.emptied().await;
}

#[tokio::test]
async fn polls_of_an_ended_connection_are_unknown() {
    let running = start(Limits::default()).await;
    let (_, token) = running.negotiate().await;
    let path = format!("/echo?id={token}");
    assert_eq!(running.ask(&format!("GET {path}"), &[]).await.status, 200);
    let poll = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut first = running.open(&poll).await;
    let mut second = running.open(&poll).await;
    assert_eq!(running.ask(&format!("DELETE {path}"), &[]).await.status, 202);
    for poll in [&mut first, &mut second] {
        assert!(matches!(answer(poll).await.status, 204 | 404));
    }
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(running.ask(&format!("{method} {path}"), &[]).await.status, 404, "{method}");
    }
    running.quiet().await;
}
