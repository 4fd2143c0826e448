//! Clients that do not finish their requests, or do not read the answers, over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use http::{Request, Response};
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const LONG: Duration = Duration::from_secs(3600);

/// How long an answer is: far more than the kernel holds for a client.
const ANSWER: usize = 1 << 20;

/// A server with a short body timeout.
async fn hurried() -> Running {
    let limits = Limits::default().body_timeout(Duration::from_millis(300));
    start(limits.negotiation_lifetime(Duration::from_secs(1))).await
}

/// Opens an event stream or makes the first poll.
async fn attach(running: &Running, token: &str, accept: &str) -> TcpStream {
    let mut socket =
        running.open(format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n")).await;
    assert_eq!(answer(&mut socket).await.status, 200);
    socket
}

#[tokio::test]
async fn a_body_that_never_ends_times_out_on_every_route() {
    let running = hurried().await;
    let mut attached = Vec::new();
    let mut tokens = Vec::new();
    for accept in ["text/event-stream", "*/*"] {
        let (_, token) = running.negotiate().await;
        attached.push(attach(&running, &token, accept).await);
        tokens.push(token);
    }
    let counted_before = running.counts.refusals().body_timeouts;
    for (line, expected) in [
        (format!("POST /echo?id={}", tokens[0]), 408),
        (format!("POST /echo?id={}", tokens[1]), 408),
        ("POST /echo/negotiate?negotiateVersion=1".to_owned(), 200),
        ("POST /echo?id=unknown".to_owned(), 404),
        ("POST /echo".to_owned(), 400),
        (format!("GET /echo?id={}&x=1", "unknown"), 404),
        ("DELETE /echo?id=unknown".to_owned(), 404),
        ("PUT /echo".to_owned(), 405),
        ("POST /other".to_owned(), 404),
    ] {
        for rest in ["Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n5\r\n{"] {
            let mut socket = running.open(format!("{line} HTTP/1.1\r\nHost: h\r\n{rest}")).await;
            let answer = answer(&mut socket).await;
            assert_eq!(answer.status, expected, "{line}");
            if expected == 408 {
                assert_eq!(answer.body, "The body did not arrive in time.");
            }
            assert_eq!(closed(&mut socket).await, "", "{line}");
        }
    }
    assert_eq!(running.counts.refusals().body_timeouts - counted_before, 4);
    drop(attached);
    assert_eq!(running.ask(&format!("DELETE /echo?id={}", tokens[1]), &[]).await.status, 202);
    running.quiet().await;
}

#[tokio::test]
async fn a_body_that_trickles_in_gets_no_more_time() {
    let running = hurried().await;
    let (_, token) = running.negotiate().await;
    let _events = attach(&running, &token, "text/event-stream").await;
    let head = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    let (mut reading, mut writing) = running.open(head).await.into_split();
    let trickle = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    let reading = async {
        let _ = reading.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(trickle, reading) }).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn bodies_that_wait_for_another_one_get_no_more_time() {
    let running = hurried().await;
    let (_, token) = running.negotiate().await;
    let _events = attach(&running, &token, "text/event-stream").await;
    let head = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    let mut posts = Vec::new();
    for _ in 0..50 {
        posts.push(running.open(&head).await);
    }
    let start = tokio::time::Instant::now();
    for post in &mut posts {
        assert_eq!(answer(post).await.status, 408);
    }
    // One after another would take 15 seconds.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(running.counts.refusals().body_timeouts, 50);
}

#[tokio::test]
async fn a_body_may_wait_for_a_connection_whose_input_is_full() {
    let running = hurried().await;
    let (_, token) = running.negotiate().await;
    attach(&running, &token, "*/*").await;
    let head = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\n");
    let deaf = format!("{head}Content-Length: 4\r\n\r\ndeaf");
    assert_eq!(answer(&mut running.open(deaf).await).await.status, 200);
    let mut posts = Vec::new();
    for _ in 0..3 {
        let mut post = running.open(format!("{head}Content-Length: 200000\r\n\r\n")).await;
        post.write_all(&vec![b'x'; 200_000]).await.unwrap();
        posts.push(post);
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(running.counts.refusals().body_timeouts, 0, "the server holds them up itself");
    assert_eq!(running.ask(&format!("DELETE /echo?id={token}"), &[]).await.status, 202);
    for post in &mut posts {
        assert_eq!(answer(post).await.status, 404);
    }
    running.quiet().await;
}

#[tokio::test]
async fn a_body_ends_with_its_connection() {
    let running = start(Limits::default().body_timeout(LONG)).await;
    let (_, token) = running.negotiate().await;
    attach(&running, &token, "*/*").await;
    let head = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    // The second one waits for the first.
    let mut posts = [running.open(format!("{head}one")).await, running.open(format!("{head}two")).await];
    let poll = running.ask(&format!("GET /echo?id={token}"), &[]).await;
    assert!(poll.body == "one" || poll.body == "two", "{}", poll.body);
    assert_eq!(running.ask(&format!("DELETE /echo?id={token}"), &[]).await.status, 202);
    for post in &mut posts {
        let answer = answer(post).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "No Connection with that ID"));
        closed(post).await;
    }
    running.quiet().await;
}

/// A server with a small send buffer in the kernel, and a polling connection with such an answer queued.
async fn waiting_answer(send_timeout: Duration) -> (Running, String) {
    let running = start_with(
        |endpoint| endpoint.queue_limit(64 << 20).disconnect_timeout(Duration::from_millis(500)),
        |server| server.send_buffer_size(4096).unwrap().limits(Limits::default().send_timeout(send_timeout)),
    )
    .await;
    let (_, token) = running.negotiate().await;
    attach(&running, &token, "*/*").await;
    let (head, length) = (format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\n"), ANSWER);
    let mut post = running.open(format!("{head}Content-Length: {length}\r\n\r\n")).await;
    post.write_all(&vec![b'x'; length]).await.unwrap();
    assert_eq!(answer(&mut post).await.status, 200);
    (running, token)
}

#[tokio::test]
async fn a_response_to_a_poll_that_is_not_read_ends_its_connection() {
    let (mut running, token) = waiting_answer(Duration::from_millis(300)).await;
    let mut poll = running.deaf(&format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    assert_eq!(running.ended.recv().await, Some(CloseReason::SlowConsumer));
    assert_eq!(running.counts.refusals().send_timeouts, 1);
    // The socket is closed, and the server holds nothing for it.
    let mut rest = Vec::new();
    let _ = poll.read_to_end(&mut rest).await;
    assert!(rest.len() < ANSWER, "{}", rest.len());
    running.quiet().await;
}

#[tokio::test]
async fn a_response_to_a_poll_that_is_read_slowly_arrives() {
    let (running, token) = waiting_answer(Duration::from_millis(500)).await;
    let mut poll = running.deaf(&format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    let (mut buffer, mut read) = (vec![0; 256 * 1024], 0);
    while read < ANSWER {
        let count = poll.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "only {read} bytes came");
        read += count;
        // It takes longer than the disconnect timeout and the tick that checks it.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((running.counts.refusals().send_timeouts, running.counts.active()), (0, 1));
}

#[tokio::test]
async fn an_unread_response_ends_with_its_connection() {
    let (running, token) = waiting_answer(LONG).await;
    let mut poll = running.deaf(&format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    // The answer has begun, so its bytes are no longer in the queue of the connection.
    assert_eq!(poll.read_u8().await.unwrap(), b'H');
    assert_eq!(running.ask(&format!("DELETE /echo?id={token}"), &[]).await.status, 202);
    until(|| running.counts.refusals().send_timeouts == 1).await;
    running.quiet().await;
}

#[tokio::test]
async fn an_event_that_is_not_read_ends_its_connection() {
    let mut running = start_with(
        |endpoint| endpoint.queue_limit(64 << 20).send_timeout(Duration::from_millis(300)),
        |server| server.send_buffer_size(4096).unwrap(),
    )
    .await;
    let (_, token) = running.negotiate().await;
    let head = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    let _events = running.deaf(&head).await;
    until(|| running.counts.active() == 1).await;
    // Both messages leave the queue at once: nothing waits there for the client.
    let post = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nlarge");
    assert_eq!(answer(&mut running.open(post).await).await.status, 200);
    assert_eq!(running.ended.recv().await, Some(CloseReason::SlowConsumer));
    running.quiet().await;
}

#[tokio::test]
async fn an_upgrade_is_answered_after_the_requests_before_it() {
    let (running, token) = waiting_answer(LONG).await;
    let requests = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\n\r\n{UPGRADE}\r\n");
    let mut socket = running.deaf(&requests).await;
    let polled = answer(&mut socket).await;
    assert_eq!((polled.status, polled.body.len()), (200, ANSWER));
    assert_eq!(answer(&mut socket).await.status, 101);
    drop(socket);
    assert_eq!(running.ask(&format!("DELETE /echo?id={token}"), &[]).await.status, 202);
    running.quiet().await;
}

/// Streams bytes without end to the first request, and tells how many it has made.
struct Endless(Arc<AtomicUsize>, Mutex<Option<mpsc::Sender<()>>>);

impl Respond for Endless {
    fn respond(self: Arc<Self>, _: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        let (made, open) = (Arc::clone(&self.0), self.1.lock().unwrap().take());
        let stream = futures_util::stream::repeat_with(move || {
            // As long as the stream lives, its sender does.
            let _open = &open;
            made.fetch_add(ANSWER, Ordering::Relaxed);
            vec![b'x'; ANSWER].into()
        });
        Box::pin(async { Response::new(Body::streamed(stream)) })
    }
}

#[tokio::test]
async fn a_streamed_body_that_is_not_read_is_made_no_further_and_ends_after_the_send_timeout() {
    let (made, (open, mut ended)) = (Arc::<AtomicUsize>::default(), mpsc::channel(1));
    let endless = Endless(Arc::clone(&made), Mutex::new(Some(open)));
    let limits = Limits::default().send_timeout(Duration::from_millis(300));
    let running = start_with(|endpoint| endpoint, |server| server.otherwise(endless).limits(limits)).await;
    let mut socket = running.open("GET /endless HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()).await;
    let mut first = vec![0; 2 * ANSWER];
    socket.read_exact(&mut first).await.unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), ended.recv()).await, Ok(None));
    assert!(made.load(Ordering::Relaxed) < 32 * ANSWER);
}
