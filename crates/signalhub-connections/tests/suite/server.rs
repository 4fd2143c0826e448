//! The server over real sockets, with the WebSocket client of tokio-tungstenite at the other end.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Sends everything back; `flood` makes it send 64 KiB twelve times, `drown` a thousand times, `bye` makes it close.
struct Echo {
    ended: mpsc::Sender<CloseReason>,
}

impl ConnectionHandler for Echo {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            let outbound = connection.outbound();
            let reason = loop {
                match connection.receive(Intake::Open).await {
                    Received::Bytes => {}
                    Received::Ended(reason) => break reason,
                    Received::Drain => break CloseReason::ServerShutdown,
                    _ => continue,
                }
                match connection.input() {
                    b"bye" => break CloseReason::Finished,
                    b"flood" => flood(&outbound, 12),
                    b"drown" => flood(&outbound, 1000),
                    input => {
                        let _ = outbound.send(&Frame::new(MessageKind::Text, input));
                    }
                }
                connection.consume(connection.input().len());
            };
            let _ = self.ended.send(reason).await;
            connection.close(reason).await;
        })
    }
}

fn flood(outbound: &Outbound, count: usize) {
    let frame = Frame::new(MessageKind::Text, &[b'x'; 64 * 1024]);
    for _ in 0..count {
        let _ = outbound.send(&frame);
    }
}

struct Running {
    address: SocketAddr,
    counts: ConnectionCounts,
    ended: mpsc::Receiver<CloseReason>,
    stop: oneshot::Sender<()>,
    stopped: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start() -> Running {
    let (sender, ended) = mpsc::channel(16);
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/echo", Endpoint::new(Echo { ended: sender }));
    let (stop, stopping) = oneshot::channel::<()>();
    let (address, counts) = (server.local_addr().unwrap(), server.connections());
    let stopped = tokio::spawn(server.run_until(async { drop(stopping.await) }));
    Running { address, counts, ended, stop, stopped }
}

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(running: &Running) -> Client {
    connect_async(format!("ws://{}/echo", running.address)).await.unwrap().0
}

async fn text(client: &mut Client) -> String {
    client.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test]
async fn messages_of_every_size_are_echoed_however_they_are_split() {
    let running = start().await;
    let mut client = connect(&running).await;
    for len in [1, 125, 126, 127, 65_535, 65_536, 300_000] {
        let sent = "y".repeat(len);
        client.send(Message::text(sent.clone())).await.unwrap();
        let mut received = String::new();
        while received.len() < len {
            received += &text(&mut client).await;
        }
        assert_eq!(received, sent);
    }
}

#[tokio::test]
async fn a_flood_arrives_whole_at_a_client_that_reads_late() {
    let running = start().await;
    let mut client = connect(&running).await;
    client.send(Message::text("flood")).await.unwrap();
    for _ in 0..12 {
        assert_eq!(text(&mut client).await.len(), 64 * 1024);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_ended_as_a_slow_consumer() {
    let mut running = start().await;
    let mut client = connect(&running).await;
    client.send(Message::text("drown")).await.unwrap();
    assert_eq!(running.ended.recv().await, Some(CloseReason::SlowConsumer));
    running.counts.emptied().await;
    for reason in CloseReason::ALL {
        assert_eq!(running.counts.ended(reason), u64::from(reason == CloseReason::SlowConsumer), "{reason:?}");
    }
}

#[tokio::test]
async fn the_servers_close_is_answered_and_frees_the_connection() {
    let mut running = start().await;
    let mut client = connect(&running).await;
    client.send(Message::text("bye")).await.unwrap();
    assert_eq!(running.ended.recv().await, Some(CloseReason::Finished));
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("no close frame") };
    assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Normal, ""));
    assert!(client.next().await.is_none());
    running.counts.emptied().await;
}

#[tokio::test]
async fn the_clients_close_is_answered_with_1000() {
    let mut running = start().await;
    let mut client = connect(&running).await;
    let code = CloseCode::Library(4001);
    client.close(Some(tungstenite::protocol::CloseFrame { code, reason: "".into() })).await.unwrap();
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Normal);
    assert_eq!(running.ended.recv().await, Some(CloseReason::ClientClosed));
}

#[tokio::test]
async fn pings_are_answered() {
    let running = start().await;
    let mut client = connect(&running).await;
    client.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
}

#[tokio::test]
async fn a_lost_transport_ends_the_connection() {
    let mut running = start().await;
    let client = connect(&running).await;
    drop(client);
    assert_eq!(running.ended.recv().await, Some(CloseReason::ClientGone));
}

#[tokio::test]
async fn stopping_resets_the_socket_and_waits() {
    let mut running = start().await;
    let mut client = connect(&running).await;
    client.send(Message::text("hi")).await.unwrap();
    assert_eq!(text(&mut client).await, "hi");
    running.stop.send(()).unwrap();
    assert_eq!(running.ended.recv().await, Some(CloseReason::ServerShutdown));
    let end = client.next().await.unwrap();
    assert!(matches!(&end, Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset), "{end:?}");
    running.stopped.await.unwrap().unwrap();
    assert_eq!(running.counts.active(), 0);
    assert!(matches!(connect_async(format!("ws://{}/echo", running.address)).await, Err(Error::Io(_))));
}

/// Sends raw bytes and reads until the server ends the connection.
async fn raw(running: &Running, request: &str) -> String {
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_are_answered_by_path_and_method() {
    let running = start().await;
    for (line, status) in [
        ("POST /echo/negotiate?negotiateVersion=1", "200"),
        ("POST /ECHO/Negotiate/?negotiateVersion=1", "200"),
        ("GET /echo/negotiate", "405"),
        ("PUT /echo", "405"),
        ("GET /echo", "400"),
        ("GET /echo?id=unknown", "404"),
        ("POST /echo?id=unknown", "404"),
        ("DELETE /echo", "400"),
        ("GET /echo//", "404"),
        ("GET /other", "404"),
        ("GET /ech", "404"),
    ] {
        let answer = raw(&running, &format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
    }
}

#[tokio::test]
async fn bytes_after_the_upgrade_request_are_not_lost() {
    let running = start().await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    let mut request = b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        .to_vec();
    // A masked text frame "hi" whose mask is zero.
    request.extend_from_slice(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    socket.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(&[0x81, 2, b'h', b'i']) {
        assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn ten_violations_leave_other_connections_alone() {
    let mut running = start().await;
    let mut witness = connect(&running).await;
    for (frame, reason) in [
        (&[0x81, 0x02, b'h', b'i'][..], CloseReason::ProtocolViolation),
        (&[0x83, 0x80, 0, 0, 0, 0], CloseReason::ProtocolViolation),
        (&[0xC1, 0x80, 0, 0, 0, 0], CloseReason::ProtocolViolation),
        (&[0x80, 0x80, 0, 0, 0, 0], CloseReason::ProtocolViolation),
        (&[0x09, 0x80, 0, 0, 0, 0], CloseReason::ProtocolViolation),
        (&[0x89, 0xFE, 0, 126, 0, 0, 0, 0], CloseReason::ProtocolViolation),
        (&[0x81, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], CloseReason::ProtocolViolation),
        (&[0x88, 0x81, 0, 0, 0, 0, 3], CloseReason::ProtocolViolation),
        (&[0x88, 0x82, 0, 0, 0, 0, 3, 0xED], CloseReason::ProtocolViolation),
        (&[0x81, 0x82, 0, 0, 0, 0, 0xC3, 0x28], CloseReason::InvalidText),
    ] {
        let mut socket = TcpStream::connect(running.address).await.unwrap();
        let request = b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        socket.write_all(request).await.unwrap();
        socket.write_all(frame).await.unwrap();
        assert_eq!(running.ended.recv().await, Some(reason), "{frame:x?}");
        let mut rest = Vec::new();
        // The end may be a reset, because what the client sent after the violation was not read.
        let _ = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await.unwrap();
    }
    witness.send(Message::text("still here")).await.unwrap();
    assert_eq!(text(&mut witness).await, "still here");
    assert_eq!(running.counts.active(), 1);
}

/// Answers with the path of the request.
struct Elsewhere;

impl Respond for Elsewhere {
    fn respond(self: Arc<Self>, request: HttpRequest<RequestBody>) -> BoxFuture<HttpResponse<Body>> {
        let path = request.uri().to_string();
        Box::pin(async move { HttpResponse::new(Body::from(path.into_bytes())) })
    }
}

#[tokio::test]
async fn all_spellings_of_a_path_match_endpoints_and_other_pages() {
    let (sender, _ended) = mpsc::channel(1);
    let server =
        Server::bind("127.0.0.1:0").await.unwrap().endpoint("/%65ch%6f/", Endpoint::new(Echo { ended: sender }));
    let server = server.otherwise(Elsewhere);
    let address = server.local_addr().unwrap();
    let serving = tokio::spawn(server.run_until(std::future::pending()));
    for (path, status, body) in [
        ("/%65cho/n%65gotiate", "200", "negotiateVersion"),
        ("/x/../ECHO/./%4eEGOTIATE/", "200", "negotiateVersion"),
        ("/echo/%2e", "400", "Connection ID required"),
        ("/echo/negotiate%00", "400", ""),
        ("/%61pi/../%61pi?x=%61/..", "200", "/api?x=%61/.."),
        ("/echo%2fnegotiate", "200", "/echo%2fnegotiate"),
    ] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(body), "{path}: {answer}");
    }
    serving.abort();
}
