//! The server speaks TLS: on every transport, with a certificate that can be replaced, and with clients that misbehave.

#![cfg(feature = "tls")]
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use crate::support::{Running, UPGRADE, answer, closed, pass, start_with, until};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SignatureAlgorithm};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore};
use signalhub_connections::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for `localhost` that signs itself, and its parts.
struct Certificate {
    der: CertificateDer<'static>,
    chain: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        Self::of(&rcgen::PKCS_ECDSA_P256_SHA256)
    }

    fn of(algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2061, 2, 3);
        let certificate = params.self_signed(&key).unwrap();
        Self { der: certificate.der().clone(), chain: certificate.pem(), key: key.serialize_pem() }
    }

    fn loaded(&self) -> TlsCertificate {
        TlsCertificate::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A client that trusts it.
    fn client(&self, alpn: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

async fn start(tls: &Tls, configure: impl FnOnce(Server) -> Server) -> Running {
    start_with(|endpoint| endpoint, |server| configure(server.tls(tls).unwrap())).await
}

async fn connect(running: &Running, config: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(running.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, socket).await
}

/// Starts a server, and opens a socket to it.
async fn started() -> (Running, Tls, Arc<ClientConfig>) {
    let certificate = Certificate::new();
    let tls = Tls::new(certificate.loaded());
    let running = start(&tls, |server| server.origins(Origins::same())).await;
    (running, tls, Arc::new(certificate.client(&["http/1.1"])))
}

async fn send(socket: &mut TlsStream<TcpStream>, text: &str) {
    socket.write_all(text.as_bytes()).await.unwrap();
}

async fn read_until(socket: &mut TlsStream<TcpStream>, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(socket.read_u8().await.unwrap());
    }
    bytes
}

/// A masked frame with a short text; the mask is zero.
fn masked(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_bytes()].concat()
}

async fn upgraded(running: &Running, config: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let mut socket = connect(running, config).await.unwrap();
    send(&mut socket, &format!("{UPGRADE}\r\n")).await;
    assert_eq!(answer(&mut socket).await.status, 101);
    socket
}

async fn echo(socket: &mut TlsStream<TcpStream>, text: &str) {
    socket.write_all(&masked(text)).await.unwrap();
    let mut frame = vec![0; 2 + text.len()];
    socket.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame[2..], text.as_bytes());
}

/// Negotiates on a socket, which stays open.
async fn negotiate(socket: &mut TlsStream<TcpStream>) -> String {
    send(socket, "POST /echo/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await;
    let body: serde_json::Value = serde_json::from_str(&answer(socket).await.body).unwrap();
    body["connectionToken"].as_str().unwrap().to_owned()
}

fn post(token: &str, text: &str) -> String {
    format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

#[tokio::test]
async fn a_websocket_works_over_tls() {
    let (mut running, tls, config) = started().await;
    let mut socket = upgraded(&running, &config).await;
    echo(&mut socket, "hello").await;
    socket.write_all(&masked("bye")).await.unwrap();
    assert_eq!(read_until(&mut socket, &[0x88, 2, 3, 0xe8]).await.len(), 4, "only a close frame with 1000");
    socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).await.unwrap();
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0, "a close_notify, or this would be an error");
    assert_eq!(running.ended.recv().await, Some(CloseReason::Finished));
    assert_eq!(tls.handshakes().completed, 1);
}

#[tokio::test]
async fn an_event_stream_works_over_tls_and_ends_in_order() {
    let (running, _tls, config) = started().await;
    for (version, end) in [("1.1", "0\r\n\r\n"), ("1.0", "")] {
        let mut socket = connect(&running, &config).await.unwrap();
        let token = negotiate(&mut socket).await;
        let mut stream = connect(&running, &config).await.unwrap();
        let head = format!("GET /echo?id={token} HTTP/{version}\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
        send(&mut stream, &head).await;
        read_until(&mut stream, b"\r\n\r\n").await;
        send(&mut socket, &post(&token, "hello")).await;
        assert_eq!(answer(&mut socket).await.status, 200);
        read_until(&mut stream, b"data: hello\r\n\r\n").await;
        send(&mut socket, &post(&token, "bye")).await;
        let _ = answer(&mut socket).await;
        if version == "1.1" {
            // The last message and its chunk are followed by another response on the same socket.
            read_until(&mut stream, end.as_bytes()).await;
            send(&mut stream, "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").await;
            assert_eq!(answer(&mut stream).await.status, 404);
        } else {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.expect("a close_notify");
        }
    }
}

#[tokio::test]
async fn polls_work_over_tls_on_one_socket() {
    let (running, _tls, config) = started().await;
    let mut socket = connect(&running, &config).await.unwrap();
    let token = negotiate(&mut socket).await;
    let poll = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\n\r\n");
    send(&mut socket, &poll).await;
    assert_eq!(answer(&mut socket).await.status, 200);
    send(&mut socket, &post(&token, "hello")).await;
    assert_eq!(answer(&mut socket).await.status, 200);
    send(&mut socket, &poll).await;
    assert_eq!(answer(&mut socket).await.body, "hello");
    send(&mut socket, "GET /nowhere HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert_eq!(answer(&mut socket).await.status, 404);
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0, "a close_notify");
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let (running, _tls, config) = started().await;
    let mut socket = upgraded(&running, &config).await;
    socket.write_all(&masked("large")).await.unwrap();
    let mut head = [0; 10];
    socket.read_exact(&mut head).await.unwrap();
    let mut message = vec![0; 4 << 20];
    socket.read_exact(&mut message).await.unwrap();
    assert!(message.iter().all(|byte| *byte == b'x'));
}

#[tokio::test]
async fn the_own_origin_of_a_page_is_https() {
    let (running, _tls, config) = started().await;
    for (origin, status) in [("https://h", 101), ("http://h", 403)] {
        let mut socket = connect(&running, &config).await.unwrap();
        send(&mut socket, &format!("{UPGRADE}Origin: {origin}\r\n\r\n")).await;
        assert_eq!(answer(&mut socket).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn the_scheme_that_a_trusted_proxy_names_counts_over_tls() {
    let certificate = Certificate::new();
    let config = Arc::new(certificate.client(&[]));
    for (trusted, forwarded, origin, status) in [
        (true, "X-Forwarded-Proto: http\r\n", "http://h", 101),
        (true, "X-Forwarded-Proto: http\r\n", "https://h", 403),
        (true, "", "https://h", 101),
        (false, "X-Forwarded-Proto: http\r\n", "http://h", 403),
        (false, "X-Forwarded-Proto: http\r\n", "https://h", 101),
    ] {
        let proxies = TrustedProxies::none();
        let proxies = if trusted { proxies.trust("127.0.0.1").unwrap() } else { proxies };
        let tls = Tls::new(certificate.loaded());
        let running = start(&tls, |server| server.origins(Origins::same()).trusted_proxies(proxies)).await;
        let mut socket = connect(&running, &config).await.unwrap();
        send(&mut socket, &format!("{UPGRADE}{forwarded}Origin: {origin}\r\n\r\n")).await;
        assert_eq!(answer(&mut socket).await.status, status, "{trusted} {forwarded:?} {origin}");
    }
}

#[tokio::test]
async fn only_http_1_1_is_negotiated() {
    let certificate = Certificate::new();
    let tls = Tls::new(certificate.loaded());
    let running = start(&tls, |server| server).await;
    for (offered, chosen) in [(&["h2", "http/1.1"][..], Some(&b"http/1.1"[..])), (&[], None)] {
        let socket = connect(&running, &Arc::new(certificate.client(offered))).await.unwrap();
        assert_eq!(socket.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
    }
    let error = connect(&running, &Arc::new(certificate.client(&["h2"]))).await.unwrap_err();
    let alert = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    assert_eq!(error.downcast::<rustls::Error>().unwrap(), alert);
    until(|| tls.handshakes().failed == 1).await;
}

#[tokio::test]
async fn a_replaced_certificate_is_for_the_next_handshakes() {
    let (running, tls, config) = started().await;
    let mut before = upgraded(&running, &config).await;
    let other = Certificate::of(&PKCS_ED25519);
    tls.replace_certificate(other.loaded());
    let error = connect(&running, &Arc::new(Certificate::new().client(&[]))).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let after = connect(&running, &Arc::new(other.client(&[]))).await.unwrap();
    assert_eq!(after.get_ref().1.peer_certificates().unwrap(), std::slice::from_ref(&other.der));
    echo(&mut before, "still there").await;
}

#[tokio::test]
async fn sessions_are_resumed_without_early_data() {
    let (running, _tls, config) = started().await;
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut socket = connect(&running, &config).await.unwrap();
        send(&mut socket, "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").await;
        // The tickets come before the response.
        assert_eq!(answer(&mut socket).await.status, 404);
        kinds.push(socket.get_ref().1.handshake_kind().unwrap());
    }
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    let mut eager = ClientConfig::clone(&config);
    eager.enable_early_data = true;
    let socket = TcpStream::connect(running.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(eager));
    let name = ServerName::try_from("localhost").unwrap();
    let socket = connector.connect_with(name, socket, |client| assert!(client.early_data().is_none())).await.unwrap();
    assert!(!socket.get_ref().1.is_early_data_accepted());
}

#[tokio::test]
async fn an_older_version_than_the_minimum_is_refused() {
    let certificate = Certificate::new();
    for (minimum, accepted) in [(TlsVersion::Tls12, true), (TlsVersion::Tls13, false)] {
        let tls = Tls::new(certificate.loaded()).minimum_version(minimum);
        let running = start(&tls, |server| server).await;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der.clone()).unwrap();
        let old = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        assert_eq!(connect(&running, &Arc::new(old)).await.is_ok(), accepted, "{minimum:?}");
        let socket = connect(&running, &Arc::new(certificate.client(&[]))).await.unwrap();
        assert_eq!(socket.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let group = socket.get_ref().1.negotiated_key_exchange_group().unwrap();
        assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    }
}

#[tokio::test]
async fn a_request_without_tls_gets_400() {
    let (running, tls, _config) = started().await;
    for request in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "POST", "O", "DELETE /x HTTP/1.1\r\n"] {
        let mut socket = running.open(request).await;
        let answer = answer(&mut socket).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, "This port speaks TLS"), "{request}");
        socket.shutdown().await.unwrap();
        assert_eq!(closed(&mut socket).await, "");
    }
    let mut socket = running.open("\x00\x01 no TLS and no HTTP either").await;
    let alert = closed(&mut socket).await;
    assert!(!alert.contains("HTTP"), "{alert}");
    until(|| tls.handshakes().failed == 5).await;
}

#[tokio::test]
async fn half_a_handshake_ends_with_its_timeout() {
    let certificate = Certificate::new();
    let tls = Tls::new(certificate.loaded()).handshake_timeout(Duration::from_secs(3));
    let running = start(&tls, |server| server).await;
    // The head of a record, and a client that sends nothing at all.
    let mut silent = [running.open(b"\x16\x03\x01\x02\x00\x01").await, running.open(b"").await];
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(tls.handshakes(), TlsHandshakes::default());
    pass(Duration::from_secs(4)).await;
    for socket in &mut silent {
        assert_eq!(closed(socket).await, "");
    }
    assert_eq!(tls.handshakes().timed_out, 2);
}

#[tokio::test]
async fn the_sockets_of_an_address_are_limited_before_the_handshake() {
    let certificate = Certificate::new();
    let tls = Tls::new(certificate.loaded());
    let running = start(&tls, |server| server.limits(Limits::default().sockets_per_address(1))).await;
    let config = Arc::new(certificate.client(&[]));
    let first = running.open(b"\x16").await;
    until(|| running.counts.refusals() == LimitRefusals::default()).await;
    assert!(connect(&running, &config).await.is_err());
    assert_eq!(running.counts.refusals().sockets_per_address, 1);
    drop(first);
    until(|| tls.handshakes().failed == 1).await;
    let mut second = upgraded(&running, &config).await;
    assert!(connect(&running, &config).await.is_err(), "the WebSocket keeps its share");
    echo(&mut second, "hello").await;
}

#[tokio::test]
async fn a_server_that_stops_resets_its_websockets_without_a_close_frame_over_tls() {
    let (running, _tls, config) = started().await;
    let mut socket = upgraded(&running, &config).await;
    echo(&mut socket, "hello").await;
    let mut half = running.open(b"\x16\x03").await;
    running.stop.send(()).unwrap();
    let mut rest = Vec::new();
    let error = socket.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!((error.kind(), rest), (io::ErrorKind::ConnectionReset, Vec::new()));
    drop(socket);
    tokio::time::timeout(Duration::from_secs(4), running.stopped)
        .await
        .expect("no handshake delays it")
        .unwrap()
        .unwrap();
    assert_eq!(closed(&mut half).await, "");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_reset() {
    let (mut running, _tls, config) = started().await;
    let mut socket = upgraded(&running, &config).await;
    socket.write_all(&masked("drown")).await.unwrap();
    assert_eq!(running.ended.recv().await, Some(CloseReason::SlowConsumer));
    let mut bytes = Vec::new();
    let error = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut bytes)).await.unwrap();
    assert!(error.is_err(), "no close_notify");
}

#[test]
fn certificates_are_checked_when_they_are_read() {
    let (one, other) = (Certificate::new(), Certificate::new());
    let read = |chain: &str, key: &str| TlsCertificate::from_pem(chain.as_bytes(), key.as_bytes()).map(drop);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (chain, key, outcome) in [
        (&*one.chain, &*one.key, Ok(())),
        (&*one.chain, &*other.key, Err(TlsCertificateError::OtherKey)),
        ("", &*one.key, Err(TlsCertificateError::NoCertificate)),
        (&*one.key, &*one.key, Err(TlsCertificateError::NoCertificate)),
        ("-----BEGIN CERTIFICATE-----\n", &*one.key, Err(TlsCertificateError::NoCertificate)),
        (garbage, &*one.key, Err(TlsCertificateError::InvalidCertificate)),
        (&*one.chain, "", Err(TlsCertificateError::NoKey)),
        (&*one.chain, &*one.chain, Err(TlsCertificateError::NoKey)),
        (&*one.chain, bad_key, Err(TlsCertificateError::InvalidKey)),
    ] {
        assert_eq!(read(chain, key), outcome, "{chain}{key}");
    }
    // 3 February 2061, which is after the last year that two digits can tell.
    assert_eq!(one.loaded().not_after(), SystemTime::UNIX_EPOCH + Duration::from_secs(2_874_614_400));
}

/// Sends 50 messages together, as a fan-out does, when it gets one.
struct Burst;

impl ConnectionHandler for Burst {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            let outbound = connection.outbound();
            while let Received::Bytes = connection.receive(Intake::Open).await {
                let frame = Frame::new(MessageKind::Text, b"message");
                outbound.send_all(&Frames::from_bytes(frame.as_bytes().repeat(50).into())).unwrap();
                connection.consume(connection.input().len());
            }
        })
    }
}

/// A socket that keeps a copy of what is read.
struct Copied {
    socket: TcpStream,
    read: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Copied {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.read.lock().unwrap().extend_from_slice(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Copied {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Hands out what sends to its client, and does nothing else.
struct Silent(tokio::sync::mpsc::Sender<Outbound>);

impl ConnectionHandler for Silent {
    fn handle(self: Arc<Self>, connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            self.0.send(connection.outbound()).await.unwrap();
            std::future::pending::<()>().await;
        })
    }
}

#[tokio::test]
async fn a_sender_writes_over_tls_and_wakes_no_task_of_the_connection() {
    let certificate = Certificate::new();
    let config = Arc::new(certificate.client(&[]));
    let (sender, mut connected) = tokio::sync::mpsc::channel(1);
    let tls = Tls::new(certificate.loaded());
    let server =
        Server::bind("127.0.0.1:0").await.unwrap().tls(&tls).unwrap().endpoint("/echo", Endpoint::new(Silent(sender)));
    let address = server.local_addr().unwrap();
    let running = tokio::spawn(server.run_until(std::future::pending()));
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut socket = TlsConnector::from(config).connect(name, socket).await.unwrap();
    send(&mut socket, &format!("{UPGRADE}\r\n")).await;
    assert_eq!(answer(&mut socket).await.status, 101);
    // The handler never receives, so that its task never writes.
    let outbound = connected.recv().await.unwrap();
    outbound.send(&Frame::new(MessageKind::Text, b"one")).unwrap();
    let joined = [b"two", b"six"].map(|text| Frame::new(MessageKind::Text, text).as_bytes().to_vec()).concat();
    outbound.send_all(&Frames::from_bytes(joined.into())).unwrap();
    let mut messages = [0; 15];
    socket.read_exact(&mut messages).await.unwrap();
    assert_eq!(&messages, b"\x81\x03one\x81\x03two\x81\x03six");
    running.abort();
}

/// The number of TLS records that bytes consist of.
fn records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        assert_eq!(*kind, 23, "application data");
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    count
}

#[tokio::test]
async fn each_message_has_a_record_of_its_own_where_an_endpoint_asks_for_it() {
    let certificate = Certificate::new();
    let config = Arc::new(certificate.client(&[]));
    for (is_separate, expected) in [(true, 50), (false, 1)] {
        let tls = Tls::new(certificate.loaded());
        let endpoint = Endpoint::new(Burst);
        let endpoint = if is_separate { endpoint.separate_messages() } else { endpoint };
        let server = Server::bind("127.0.0.1:0").await.unwrap().tls(&tls).unwrap().endpoint("/echo", endpoint);
        let address = server.local_addr().unwrap();
        let running = tokio::spawn(server.run_until(std::future::pending()));
        let read = Arc::new(Mutex::new(Vec::new()));
        let socket = Copied { socket: TcpStream::connect(address).await.unwrap(), read: Arc::clone(&read) };
        let name = ServerName::try_from("localhost").unwrap();
        let mut socket = TlsConnector::from(Arc::clone(&config)).connect(name, socket).await.unwrap();
        socket.write_all(format!("{UPGRADE}\r\n").as_bytes()).await.unwrap();
        assert_eq!(answer(&mut socket).await.status, 101);
        read.lock().unwrap().clear();
        socket.write_all(&masked("go")).await.unwrap();
        let mut messages = [0; 50 * 9];
        socket.read_exact(&mut messages).await.unwrap();
        assert!(messages.chunks(9).all(|message| message == b"\x81\x07message"));
        assert_eq!(records(&read.lock().unwrap()), expected);
        running.abort();
    }
}
