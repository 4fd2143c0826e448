//! Heads of requests that are too large or are not HTTP, over real sockets.

use crate::support::*;
use signalhub_connections::*;

const PAGE: &str = "https://app.example.com";

/// A request whose head has exactly this many bytes, most of them in one field.
fn sized(line: &str, bytes: usize) -> String {
    let (start, end) = (format!("{line} HTTP/1.1\r\nHost: h\r\nOrigin: {PAGE}\r\nAuthorization: Bearer "), "\r\n\r\n");
    format!("{start}{}{end}", "t".repeat(bytes - start.len() - end.len()))
}

async fn with_page(limits: Limits) -> Running {
    let origins = Origins::same().allow(PAGE).unwrap();
    start_with(|endpoint| endpoint, |server| server.origins(origins).limits(limits)).await
}

#[tokio::test]
async fn a_head_may_have_32_kib_as_in_the_original() {
    let running = with_page(Limits::default()).await;
    for (line, expected) in [
        ("POST /echo/negotiate?negotiateVersion=1", 200),
        ("GET /echo", 400),
        ("POST /echo?id=unknown", 404),
        ("GET /other", 404),
    ] {
        for (bytes, expected) in [(32 * 1024, expected), (32 * 1024 + 1, 431), (200_000, 431)] {
            // A client may read its answer while it still writes.
            let (mut socket, request) = (running.open("").await, sized(line, bytes));
            let (mut reading, mut writing) = socket.split();
            let write = async {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut writing, request.as_bytes()).await;
            };
            let mut rest = Vec::new();
            let read = async {
                let mut buffer = vec![0; 64 * 1024];
                while !rest.windows(4).any(|end| end == b"\r\n\r\n") {
                    let count = tokio::io::AsyncReadExt::read(&mut reading, &mut buffer).await.unwrap();
                    assert_ne!(count, 0, "{line} of {bytes} bytes");
                    rest.extend_from_slice(&buffer[..count]);
                }
            };
            tokio::join!(write, read);
            let text = String::from_utf8(rest).unwrap().to_ascii_lowercase();
            assert!(text.starts_with(&format!("http/1.1 {expected} ")), "{line} of {bytes} bytes: {text}");
            assert!(text.contains(&format!("access-control-allow-origin: {PAGE}\r\n")), "{text}");
        }
    }
    assert_eq!(running.counts.refusals().large_heads, 8);
    running.quiet().await;
}

#[tokio::test]
async fn refused_heads_get_a_reason_and_are_counted() {
    let running = with_page(Limits::default().head_size(2000)).await;
    let fields = format!("GET /echo HTTP/1.1\r\nHost: h\r\nOrigin: {PAGE}\r\n{}\r\n", "A: b\r\n".repeat(99));
    let broken = format!("GET /echo HTTP/1.1\r\nOrigin: {PAGE}\r\nX: \0\r\n\r\n");
    for (request, status, text) in [
        (sized("GET /echo", 2001), 431, "The head of the request is larger than 2000 bytes."),
        (format!("GET /{} HTTP/1.1\r\nHost: h", "x".repeat(2000)), 431, "larger than 2000 bytes."),
        (fields, 431, "The head of the request has more than 100 header fields."),
        (broken, 400, "The head of the request is malformed: invalid HTTP header parsed."),
        ("GET / HTTP/7.7\r\n\r\n".to_owned(), 400, "malformed: invalid HTTP version parsed."),
        ("\x16\x03\x01\x02\x00\x01\r\n\r\n".to_owned(), 400, "malformed: invalid HTTP method parsed."),
    ] {
        let mut socket = running.open(&request).await;
        let answer = answer(&mut socket).await;
        assert_eq!(answer.status, status, "{text}");
        assert!(answer.body.contains(text), "{} instead of {text}", answer.body);
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.header("connection"), Some("close"));
        let page = if request.contains(PAGE) { Some(PAGE) } else { None };
        assert_eq!(answer.header("access-control-allow-origin"), page, "{text}");
        assert_eq!(closed(&mut socket).await, "");
    }
    let malformed = running.counts.client_errors(ClientError::MalformedRequest);
    assert_eq!((running.counts.refusals().large_heads, malformed), (3, 3));
}

#[tokio::test]
async fn a_malformed_head_after_a_request_does_not_harm_its_response() {
    let running = with_page(Limits::default()).await;
    let mut socket = running.open("GET /other HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/9.9\r\n\r\n").await;
    assert_eq!(answer(&mut socket).await.status, 404);
    let refused = answer(&mut socket).await;
    assert_eq!(refused.status, 400);
    assert_eq!(closed(&mut socket).await, "");
    assert_eq!(running.counts.client_errors(ClientError::MalformedRequest), 1);
}
