//! A server process with few file descriptors: what gets them, and what is logged.

#![cfg(target_os = "linux")]
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use crate::common::SECRET;
use crate::common::certificate::{Files, trusting};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;

/// A server that may open 160 files.
struct Server {
    child: Child,
    public: SocketAddr,
    internal: SocketAddr,
    log: String,
}

impl Server {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 160 && exec \"$0\"", env!("CARGO_BIN_EXE_signalhub")]);
        command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).kill_on_drop(true);
        command.env("SIGNALHUB_LISTEN__PUBLIC", "127.0.0.1:0").env("SIGNALHUB_LISTEN__INTERNAL", "127.0.0.1:0");
        command.env("SIGNALHUB_AUTH__SECRET", SECRET).envs(settings.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let mut address = async |what: &str| loop {
            let start = log.len();
            assert_ne!(stderr.read_line(&mut log).await.unwrap(), 0, "ended early: {log}");
            if let Some((_, address)) = log[start..].split_once("127.0.0.1:").filter(|(line, _)| line.contains(what)) {
                let port: String = address.chars().take_while(char::is_ascii_digit).collect();
                break SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().unwrap());
            }
        };
        let (internal, public) = (address("serving operators").await, address("listening").await);
        tokio::spawn(async move { while let Ok(1..) = stderr.read_line(&mut String::new()).await {} });
        Self { child, public, internal, log }
    }

    /// Opens a socket from one of this machine's addresses.
    async fn connect(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0)).unwrap();
        socket.connect(self.public).await.unwrap()
    }

    /// Asks on a new socket, and keeps it open.
    async fn ask(&self, last: u8, request: &str) -> Option<(TcpStream, String)> {
        ask(self.connect(last).await, request).await
    }

    /// Performs a handshake on a new socket, asks, and returns the status.
    async fn ask_with_tls(&self, last: u8, config: &Arc<ClientConfig>) -> Option<String> {
        let (socket, name) = (self.connect(last).await, ServerName::try_from("127.0.0.1").unwrap());
        let socket = TlsConnector::from(Arc::clone(config)).connect(name, socket).await.ok()?;
        ask(socket, IDLE).await.map(|(_, status)| status)
    }

    /// How many KiB of memory the process has in use.
    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    async fn probes(&self) -> Vec<String> {
        let mut answers = Vec::new();
        for path in ["/health/live", "/health/ready", "/metrics"] {
            let socket = TcpStream::connect(self.internal).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
            answers.push(ask(socket, &request).await.map_or_else(String::new, |(_, status)| status));
        }
        answers
    }
}

/// Gives the socket and the status; nothing when there was none.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, request: &str) -> Option<(S, String)> {
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.ok()?;
    Some((socket, String::from_utf8_lossy(&status[9..]).into_owned()))
}

const IDLE: &str = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// Its body never comes, so the server waits.
const BUSY: &str = "POST /api/v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: the-key-of-these-tests\r\n\
    Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n";

#[tokio::test]
async fn one_address_leaves_sockets_to_others() {
    let server = Server::start(&[]).await;
    let mut held = Vec::new();
    while let Some((socket, status)) = server.ask(1, IDLE).await
        && status == "200"
    {
        held.push(socket);
    }
    assert_eq!(held.len(), (160 - 64 - 32) / 4);
    assert_eq!(server.ask(2, IDLE).await.unwrap().1, "200");
    assert_eq!(server.probes().await, ["200"; 3]);
}

#[tokio::test]
async fn the_longest_idle_sockets_make_room_for_new_ones() {
    let server = Server::start(&[]).await;
    let mut held = Vec::new();
    for number in 0..100 {
        let (socket, status) = server.ask(10 + number / 10, IDLE).await.unwrap();
        assert_eq!(status, "200", "socket {number}");
        held.push(socket);
    }
    let closed = |socket: &TcpStream| {
        let mut rest = [0; 4096];
        while let Ok(count) = socket.try_read(&mut rest) {
            if count == 0 {
                return true;
            }
        }
        false
    };
    // The youngest is the last to go.
    assert_eq!(ask(held.pop().unwrap(), "GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await.map(|_| ()), Some(()));
    for socket in &held {
        socket.readable().await.unwrap();
    }
    let left: Vec<bool> = held.iter().map(|socket| !closed(socket)).collect();
    let first_left = left.iter().position(|left| *left).unwrap();
    assert!(first_left > 20 && left[first_left..].iter().all(|left| *left), "{left:?}");
    assert_eq!(server.probes().await, ["200"; 3]);
}

#[tokio::test]
async fn half_a_head_takes_no_socket_from_others() {
    for sent in ["G", "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"] {
        let server = Server::start(&[]).await;
        let mut held = Vec::new();
        for number in 0..100 {
            let mut socket = server.connect(10 + number / 10).await;
            // Every other socket has had an answer before.
            if number % 2 == 0 {
                let status;
                (socket, status) = ask(socket, IDLE).await.unwrap();
                assert_eq!(status, "200", "socket {number}");
            }
            socket.write_all(sent.as_bytes()).await.unwrap();
            held.push(socket);
        }
        let mut others = Vec::new();
        for last in 30..60 {
            let (socket, status) = server.ask(last, IDLE).await.unwrap();
            assert_eq!(status, "200", "from 127.0.0.{last}, while others have sent {sent:?}");
            others.push(socket);
        }
        assert_eq!(server.probes().await, ["200"; 3]);
    }
}

/// Half of a handshake, as long as the server reads it: three records of a message of 65 000 bytes.
fn half_a_handshake() -> Vec<u8> {
    let mut bytes = vec![22, 3, 1, 0x40, 0, 1, 0, 0xfd, 0xe8];
    bytes.resize(5 + 0x4000, 0);
    let more = [&[22, 3, 3, 0x40, 0][..], &[0; 0x4000]].concat();
    [bytes, more.repeat(2)].concat()
}

#[tokio::test]
async fn half_a_handshake_takes_neither_a_socket_from_others_nor_memory_without_limit() {
    let files = Files::new();
    let config = trusting(&[files.renew()]);
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    let certificate = [("SIGNALHUB_TLS__CERTIFICATE", &*chain), ("SIGNALHUB_TLS__KEY", &key)];
    for sent in [&b""[..], b"\x16", &half_a_handshake()] {
        let server = Server::start(&[certificate[0], certificate[1], ("SIGNALHUB_TLS__HANDSHAKE_TIMEOUT", "1h")]).await;
        assert_eq!(server.ask_with_tls(9, &config).await.unwrap(), "200");
        let before = server.resident();
        let mut held = Vec::new();
        for number in 0..100 {
            let mut socket = server.connect(10 + number / 10).await;
            // One that the server has closed to make room may refuse it.
            let _ = socket.write_all(sent).await;
            held.push(socket);
        }
        for last in 30..60 {
            let status = server.ask_with_tls(last, &config).await;
            assert_eq!(
                status.as_deref(),
                Some("200"),
                "from 127.0.0.{last}, while others have sent {} bytes",
                sent.len()
            );
        }
        assert_eq!(server.probes().await, ["200"; 3]);
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 100 * 128, "{grown} KiB for halves of {} bytes", sent.len());
        // They were closed, the longest idle ones first.
        let mut rest = [0; 8];
        let end = tokio::time::timeout(Duration::from_secs(10), held[0].read(&mut rest)).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[tokio::test]
async fn probes_are_answered_while_clients_take_all_descriptors() {
    let server = Server::start(&[("SIGNALHUB_PUBLISH__KEYS", "the-key-of-these-tests")]).await;
    let mut held = Vec::new();
    let mut refused = 0;
    for number in 0..100 {
        match server.ask(10 + number / 10, BUSY).await {
            Some((socket, status)) if status == "100" => held.push(socket),
            _ => refused += 1,
        }
    }
    assert!(refused > 30 && held.len() > 30, "{refused} were refused");
    for _ in 0..20 {
        assert_eq!(server.probes().await, ["200"; 3]);
    }
}

#[tokio::test]
async fn too_few_descriptors_for_the_limits_are_a_warning() {
    for (connections, warns) in [("100000", true), ("65", true), ("64", false), ("unlimited", true)] {
        let server = Server::start(&[("SIGNALHUB_LIMITS__CONNECTIONS", connections)]).await;
        let warning = server.log.lines().find(|line| line.contains("WARN"));
        assert_eq!(warning.is_some(), warns, "{}", server.log);
        assert!(warning.is_none_or(|line| line.contains("sockets beyond 64 will be refused")), "{warning:?}");
    }
}
