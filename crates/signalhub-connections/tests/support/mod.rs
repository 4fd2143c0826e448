//! Shared by the tests over real sockets: a server with an echo, requests, and WebSocket clients.

#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs")]

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use signalhub_connections::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// An upgrade without its last line.
pub const UPGRADE: &str = "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// Authenticates by the bearer token `token.user[.seconds]`, where seconds are those until it expires.
pub struct Tokens;

impl Authenticate for Tokens {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        let Some(token) = bearer_token(request) else { return Authentication::Missing };
        let mut parts = token.split('.');
        match (parts.next(), parts.next(), parts.next().map(str::parse)) {
            (Some("token"), Some(user), None) => Authentication::Identified(Identity::user(user)),
            (Some("token"), Some(user), Some(Ok(seconds))) => {
                let expires = SystemTime::now() + Duration::from_secs(seconds);
                Authentication::Identified(Identity::user(user).with_expiry(expires))
            }
            _ => Authentication::Invalid("no token".into()),
        }
    }
}

/// Authenticates each client as the user in its header `user`.
pub struct Named;

impl Authenticate for Named {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        match request.headers.get("user").and_then(|name| name.to_str().ok()) {
            Some(name) => Authentication::Identified(Identity::user(name)),
            None => Authentication::Missing,
        }
    }
}

/// Sends this text to its client when the server stops, unless it is empty.
pub struct SendsAtDrain(pub Vec<u8>);

impl ConnectionHandler for SendsAtDrain {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            let reason = loop {
                match connection.receive(Intake::Open).await {
                    Received::Drain => break CloseReason::ServerShutdown,
                    Received::Ended(reason) => break reason,
                    _ => connection.consume(connection.input().len()),
                }
            };
            if !self.0.is_empty() {
                let _ = connection.outbound().send(&Frame::new(MessageKind::Text, &self.0));
            }
            connection.close(reason).await;
        })
    }
}

/// Sends everything back; after `deaf` it reads nothing more, `drown` makes it send without end, `large` one large
/// message, `bye` makes it close.
pub struct Echo {
    ended: mpsc::Sender<CloseReason>,
}

impl ConnectionHandler for Echo {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            let outbound = connection.outbound();
            if connection.is_resumable() {
                outbound.retain(1000);
            }
            let mut intake = Intake::Open;
            let reason = loop {
                match connection.receive(intake).await {
                    Received::Bytes => {}
                    Received::Ended(reason) => break reason,
                    Received::Drain => break CloseReason::ServerShutdown,
                    Received::Aborted => break CloseReason::Aborted,
                    Received::Reconnected => {
                        outbound.resume(None);
                        continue;
                    }
                    _ => continue,
                }
                match connection.input() {
                    b"deaf" => intake = Intake::Paused,
                    b"bye" => break CloseReason::Finished,
                    b"large" => drop(outbound.send(&Frame::new(MessageKind::Text, &[b'x'; 4 << 20]))),
                    b"drown" => while outbound.send(&Frame::new(MessageKind::Text, &[b'x'; 64 * 1024])).is_ok() {},
                    _ => {}
                }
                let _ = outbound.send(&Frame::new(MessageKind::Text, connection.input()));
                connection.consume(connection.input().len());
            };
            let _ = self.ended.try_send(reason);
            connection.close(reason).await;
        })
    }
}

pub struct Running {
    pub address: SocketAddr,
    pub counts: ConnectionCounts,
    pub ended: mpsc::Receiver<CloseReason>,
    pub stop: oneshot::Sender<()>,
    pub stopped: tokio::task::JoinHandle<std::io::Result<()>>,
}

pub async fn start(limits: Limits) -> Running {
    start_with(|endpoint| endpoint, |server| server.limits(limits)).await
}

pub async fn start_with(
    endpoint: impl FnOnce(Endpoint) -> Endpoint,
    configure: impl FnOnce(Server) -> Server,
) -> Running {
    let (sender, ended) = mpsc::channel(16);
    let all = Transports::WEB_SOCKETS.and(TransportKind::ServerSentEvents).and(TransportKind::LongPolling);
    let endpoint = endpoint(Endpoint::new(Echo { ended: sender }).transports(all));
    let server = configure(Server::bind("127.0.0.1:0").await.unwrap()).endpoint("/echo", endpoint);
    let (stop, stopping) = oneshot::channel::<()>();
    let (address, counts) = (server.local_addr().unwrap(), server.connections());
    let stopped = tokio::spawn(server.run_until(async { drop(stopping.await) }));
    Running { address, counts, ended, stop, stopped }
}

/// One response, without a body that has no length.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// In lower case, without the date, which is never the same.
    pub head: Vec<String>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Running {
    /// Opens a socket and sends something.
    pub async fn open(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(bytes.as_ref()).await.unwrap();
        socket
    }

    /// Sends a request on a new socket. It consists of a method, a target and header lines.
    pub async fn ask(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nHost: h\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let length = if line.starts_with("POST") { "Content-Length: 0\r\n" } else { "" };
        answer(&mut self.open(request + length + "\r\n").await).await
    }

    /// Asks for a WebSocket with further header lines, and returns the status of the answer and the socket.
    pub async fn upgrade(&self, target: &str, headers: &str) -> (u16, TcpStream) {
        let mut socket = self.open(format!("{UPGRADE}{headers}\r\n").replace("/echo", target)).await;
        (answer(&mut socket).await.status, socket)
    }

    /// Opens a socket with a small receive buffer, for a client that reads nothing, and sends something.
    pub async fn deaf(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(self.address).await.unwrap();
        socket.write_all(bytes.as_ref()).await.unwrap();
        socket
    }

    /// Negotiates, and returns the public id and the secret token.
    pub async fn negotiate(&self) -> (String, String) {
        let answer = self.ask("POST /echo/negotiate?negotiateVersion=1", &[]).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        (body["connectionId"].as_str().unwrap().to_owned(), body["connectionToken"].as_str().unwrap().to_owned())
    }

    /// Waits until no connection is live, then lets the negotiations expire that no client has used.
    pub async fn quiet(&self) {
        self.counts.emptied().await;
        if self.counts.waiting() > 0 {
            pass(NEGOTIATION_LIFETIME + Duration::from_secs(1)).await;
        }
        // Nothing reports that a negotiation has expired; the server looks once a second.
        until(|| self.counts.waiting() == 0).await;
    }
}

/// How long a client may take to connect after its negotiation, by default.
pub const NEGOTIATION_LIFETIME: Duration = Duration::from_secs(15);

/// Listens on a free port of the loopback address.
pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Moves the clock of the runtime forward. Sockets do not notice; whatever waits for this time goes on.
pub async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Waits for a condition that no event reports.
pub async fn until(condition: impl Fn() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}

/// Reads one response; a body without length is left to be read.
pub async fn answer(socket: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let byte = socket.read_u8().await.unwrap_or_else(|_| panic!("only {}", String::from_utf8_lossy(&bytes)));
        bytes.push(byte);
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let lower = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}:{value}", name.to_ascii_lowercase())
    };
    let head: Vec<_> = lines.map(lower).filter(|line| !line.starts_with("date:")).collect();
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.unwrap();
    answer.body = String::from_utf8(body).unwrap();
    answer
}

/// Reads the identity of `user[@organisation]`.
pub fn user_at_organisation(name: &str) -> Identity {
    match name.split_once('@') {
        Some((user, organisation)) => Identity::user(user).with_organisation(organisation),
        None => Identity::user(name),
    }
}

/// Sends a short text in a WebSocket, and receives its echo.
pub async fn echo(socket: &mut TcpStream, text: &str) {
    let length = u8::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    socket.write_all(&frame).await.unwrap();
    expect_text(socket, text).await;
}

/// Receives a short text in one frame.
pub async fn expect_text(socket: &mut TcpStream, text: &str) {
    let mut received = vec![0; 2 + text.len()];
    socket.read_exact(&mut received).await.unwrap();
    assert_eq!(received[0], 0x81);
    assert_eq!(&received[2..], text.as_bytes());
}

/// Expects the server to end the connection, and returns what it sent before.
pub async fn closed(socket: &mut (impl AsyncRead + Unpin)) -> String {
    let mut rest = Vec::new();
    // The end may be a reset, if the client sent more than was read.
    let _ = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await.unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}

/// Keeps the events that this thread logs, with their level.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(Level, String)>>>);

/// A log that nothing is written to. While there is only one log, tracing asks the thread that comes to an event first whether
/// anything wants such events, and a test in another thread, which has no log, would answer for the test that has one.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Log::default()));

impl Log {
    /// Keeps events until the guard is dropped.
    pub fn start() -> (Self, DefaultGuard) {
        LazyLock::force(&ANOTHER);
        let log = Self::default();
        (log.clone(), tracing::subscriber::set_default(log))
    }

    /// Takes the events.
    pub fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        *self.0 += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        self.0.lock().unwrap().push((*event.metadata().level(), text));
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
