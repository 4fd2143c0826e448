//! How a server says goodbye to many.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use signalhub_connections::*;
use support::*;
use tokio::sync::mpsc;

struct Ready;

impl Respond for Ready {
    fn respond(self: Arc<Self>, _: Request<Incoming>) -> BoxFuture<Response<Body>> {
        Box::pin(async { Response::new(Body::from("still here")) })
    }
}

#[tokio::test]
async fn clients_are_told_one_after_another_while_requests_are_answered() {
    let time = Duration::from_millis(800);
    let mut running = start_with(|endpoint| endpoint, |server| server.otherwise(Ready).drain_time(time)).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let mut socket = running.open(format!("{UPGRADE}\r\n")).await;
        assert_eq!(answer(&mut socket).await.status, 101);
        sockets.push(socket);
    }
    let (_, token) = running.negotiate().await;
    assert!(!running.counts.is_draining());
    let start = Instant::now();
    let (stop, stopping) = tokio::sync::oneshot::channel();
    std::mem::replace(&mut running.stop, stop).send(()).unwrap();
    drop(stopping);
    running.counts.draining().await;
    assert!(running.counts.is_draining());
    let refused = running.ask("POST /echo/negotiate", &[]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(answer(&mut running.open(format!("{UPGRADE}\r\n")).await).await.status, 503);
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
    assert!(tokio::net::TcpStream::connect(running.address).await.is_err());
}

/// Gives its way out away, and stays until its client is gone or too slow.
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
async fn one_that_does_not_read_hurts_nobody_else() {
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
                tokio::io::AsyncReadExt::read_exact(&mut socket, &mut frame).await.unwrap();
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
