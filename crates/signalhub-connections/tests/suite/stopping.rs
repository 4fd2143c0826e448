//! How a server that stops ends its connections.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use crate::support::*;
use http::{Request, Response};
use signalhub_connections::*;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

struct Ready;

impl Respond for Ready {
    fn respond(self: Arc<Self>, _: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        Box::pin(async { Response::new(Body::from("still here")) })
    }
}

#[tokio::test]
async fn connections_end_one_after_another_while_requests_are_answered() {
    let time = Duration::from_millis(800);
    let mut running = start_with(|endpoint| endpoint, |server| server.otherwise(Ready).drain_time(time)).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let (status, socket) = running.upgrade("/echo", "").await;
        assert_eq!(status, 101);
        sockets.push(socket);
    }
    let (_, token) = running.negotiate().await;
    assert!(!running.counts.is_draining());
    let start = Instant::now();
    let (stop, stopping) = oneshot::channel();
    std::mem::replace(&mut running.stop, stop).send(()).unwrap();
    drop(stopping);
    running.counts.draining().await;
    assert!(running.counts.is_draining());
    let refused = running.ask("POST /echo/negotiate", &[]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(running.upgrade("/echo", "").await.0, 503);
    assert_eq!(running.ask(&format!("GET /echo?id={token}"), &[]).await.status, 404);
    assert_eq!(running.ask("GET /health", &[]).await.body, "still here");
    assert_eq!(running.counts.refusals().draining, 2);
    for number in 0..4u32 {
        assert_eq!(running.ended.recv().await, Some(CloseReason::ServerShutdown));
        assert!(start.elapsed() >= time * number / 4, "{number} was told after {:?}", start.elapsed());
    }
    drop(sockets);
    running.stopped.await.unwrap().unwrap();
    assert!(start.elapsed() < time + Duration::from_secs(4));
    assert!(TcpStream::connect(running.address).await.is_err());
}

async fn parting(last_words: &[u8]) -> Running {
    let endpoint = Endpoint::new(SendsAtDrain(last_words.to_vec())).transports(Transports::ALL);
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/echo", endpoint);
    let ((stop, stopping), (_, ended)) = (oneshot::channel::<()>(), mpsc::channel(1));
    let (address, counts) = (server.local_addr().unwrap(), server.connections());
    let stopped = tokio::spawn(server.run_until(async { drop(stopping.await) }));
    Running { address, counts, ended, stop, stopped }
}

/// What arrives before the socket is reset.
async fn read_until_reset(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    bytes
}

#[tokio::test]
async fn a_web_socket_is_reset_without_a_close_frame_after_all_that_was_sent() {
    // More than the sockets hold, so that some of it is still queued when the server stops.
    let last_words = vec![b'x'; 900_000];
    let running = parting(&last_words).await;
    let (status, mut socket) = running.upgrade("/echo", "").await;
    assert_eq!(status, 101);
    running.stop.send(()).unwrap();
    let received = read_until_reset(&mut socket).await;
    assert_eq!(received.len(), 10 + last_words.len());
    assert!(received.ends_with(&last_words), "a close frame came behind the last message");
    running.stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_event_stream_is_reset_without_its_last_chunk_after_all_that_was_sent() {
    for version in ["1.1", "1.0"] {
        let running = parting(b"last words").await;
        let (_, token) = running.negotiate().await;
        let request = format!("GET /echo?id={token} HTTP/{version}\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
        let mut socket = running.open(request).await;
        assert_eq!(answer(&mut socket).await.status, 200);
        until(|| running.counts.active() == 1).await;
        running.stop.send(()).unwrap();
        let received = String::from_utf8(read_until_reset(&mut socket).await).unwrap();
        let event = received.find("data: last words\r\n\r\n").unwrap();
        assert!(!received[event..].contains('0'), "{received:?}");
        running.stopped.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_waiting_poll_is_answered_with_204() {
    let running = parting(b"").await;
    let (_, token) = running.negotiate().await;
    let poll = format!("GET /echo?id={token}");
    assert_eq!(running.ask(&poll, &[]).await.status, 200);
    let mut socket = running.open(format!("{poll} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    running.stop.send(()).unwrap();
    assert_eq!(answer(&mut socket).await.status, 204);
    running.stopped.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_poll_a_round_trip_later_gets_the_last_message() {
    let mut running = parting(b"last words").await;
    let (_, token) = running.negotiate().await;
    let poll = format!("GET /echo?id={token}");
    assert_eq!(running.ask(&poll, &[]).await.status, 200);
    std::mem::replace(&mut running.stop, oneshot::channel().0).send(()).unwrap();
    running.counts.draining().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let last = running.ask(&poll, &[]).await;
    assert_eq!((last.status, last.body.as_str()), (200, "last words"));
    running.stopped.await.unwrap().unwrap();
}

/// Passes its `Outbound` on, and stays until its client has left or is too slow.
struct Audience(mpsc::Sender<(Option<RemoteAddress>, Outbound)>);

impl ConnectionHandler for Audience {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            self.0.send((connection.remote_address(), connection.outbound())).await.unwrap();
            let reason = loop {
                if let Received::Ended(reason) = connection.receive(Intake::Open).await {
                    break reason;
                }
            };
            connection.close(reason).await;
        })
    }
}

const LISTENERS: usize = 200;
const FRAME: usize = 16 * 1024;
const FRAMES: usize = 128;
const QUEUE: usize = 256 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_does_not_delay_others() {
    let (sender, mut joined) = mpsc::channel(1);
    let endpoint = Endpoint::new(Audience(sender)).queue_limit(QUEUE);
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/echo", endpoint);
    let (address, counts) = (server.local_addr().unwrap(), server.connections());
    let stopped = tokio::spawn(server.run_until(std::future::pending()));
    let (report, mut reports) = mpsc::channel(LISTENERS);
    let mut audience = Vec::new();
    let mut stuck = None;
    for number in 0..LISTENERS {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, format!("{UPGRADE}\r\n").as_bytes()).await.unwrap();
        assert_eq!(answer(&mut socket).await.status, 101);
        let (remote, outbound) = joined.recv().await.unwrap();
        assert_eq!(remote.unwrap().ip(), address.ip());
        audience.push(outbound);
        if number == LISTENERS / 2 {
            stuck = Some((number, socket));
            continue;
        }
        let report = report.clone();
        tokio::spawn(async move {
            // A frame of this size has a header of four bytes.
            let mut frame = vec![0; FRAME + 4];
            for _ in 0..FRAMES {
                socket.read_exact(&mut frame).await.unwrap();
                report.send(()).await.unwrap();
            }
        });
    }
    let (number, socket) = stuck.unwrap();
    let frame = Frame::new(MessageKind::Binary, &[0; FRAME]);
    let mut refused = 0;
    for _ in 0..FRAMES {
        refused += audience.iter().filter(|outbound| outbound.send(&frame).is_err()).count();
        let queued = format!("{:?}", audience[number]);
        let queued: usize = queued.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
        assert!(queued <= QUEUE + 2 * FRAME, "{queued} bytes are queued");
        for _ in 1..LISTENERS {
            reports.recv().await.unwrap();
        }
    }
    assert!(refused > 0, "the one that does not read was never refused");
    assert!(audience[number].send(&frame).is_err());
    audience.clear();
    counts.emptied().await;
    drop(socket);
    stopped.abort();
}
