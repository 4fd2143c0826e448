#![cfg(feature = "tls")]

use std::future::poll_fn;

use futures_util::FutureExt;
use rcgen::generate_simple_self_signed;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::frame::Frame;
use crate::outbound::signals::Signal;
use crate::outbound::{Flushed, Outbound, QueueLimits, Writer};
use crate::websocket_codec::MessageKind;

/// The two ends of a connection with TLS whose socket has small buffers.
async fn pair() -> (Arc<TlsSocket>, tokio_rustls::client::TlsStream<TcpStream>) {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = builder.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    SockRef::from(&near).set_recv_buffer_size(4096).unwrap();
    SockRef::from(&far).set_send_buffer_size(4096).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let accepting = acceptor.accept_with(far, |connection| connection.set_buffer_limit(Some(16 * 1024)));
    let connecting = client.connect(ServerName::try_from("localhost").unwrap(), near);
    let (far, near) = tokio::try_join!(accepting, connecting).unwrap();
    (Arc::new(TlsSocket::new(far)), near)
}

#[tokio::test]
async fn what_tls_keeps_of_a_message_is_flushed_by_the_task_which_is_woken_for_it() {
    let (socket, mut client) = pair().await;
    let mut io = Io::tls(socket, None);
    let limits = QueueLimits { bytes: 1 << 20, stall: std::time::Duration::from_secs(10) };
    let queue = SendQueue::new(limits, Arc::default(), Arc::default(), Writer::Socket(io.shared().unwrap()));
    let payload = |number: usize| vec![u8::try_from(number % 251).unwrap(); 3000];
    let mut sent = 0;
    while !queue.signals.take(Signal::Moved) {
        queue.send_unretained(&Frame::new(MessageKind::Binary, &payload(sent))).unwrap();
        sent += 1;
    }
    assert!(queue.wait_taken().now_or_never().is_some(), "the last message is with TLS and not in the queue");
    let draining = poll_fn(|cx| io.poll_drain(cx, &queue));
    let reading = async {
        for number in 0..sent {
            let mut frame = vec![0; 3004];
            client.read_exact(&mut frame).await.unwrap();
            assert_eq!(frame[4..], payload(number));
        }
    };
    let (drained, ()) = tokio::join!(draining, reading);
    drained.unwrap();
    assert!(!queue.signals.take(Signal::Moved));
    queue.send_unretained(&Frame::new(MessageKind::Binary, &payload(sent))).unwrap();
    client.read_exact(&mut vec![0; 3004]).await.unwrap();
    assert!(!queue.signals.take(Signal::Moved), "a message that the socket takes wakes no task");
}

#[tokio::test]
async fn a_message_longer_than_the_buffer_of_tls_arrives_whole() {
    let (socket, mut client) = pair().await;
    let mut io = Io::tls(socket, None);
    let limits = QueueLimits { bytes: 1 << 20, stall: std::time::Duration::from_secs(10) };
    let queue = SendQueue::new(limits, Arc::default(), Arc::default(), Writer::Socket(io.shared().unwrap()));
    let payload: Vec<u8> = (0..500_000).map(|number: u32| number.to_le_bytes()[1]).collect();
    queue.send_unretained(&Frame::new(MessageKind::Binary, &payload)).unwrap();
    queue.send_unretained(&Frame::new(MessageKind::Binary, b"behind")).unwrap();
    assert!(queue.signals.take(Signal::Moved));
    let mut bytes = vec![0; 10 + payload.len() + 2 + 6];
    let draining = poll_fn(|cx| io.poll_drain(cx, &queue));
    let (drained, read) = tokio::join!(draining, client.read_exact(&mut bytes));
    drained.unwrap();
    read.unwrap();
    assert!(bytes[10..].starts_with(&payload) && bytes.ends_with(b"\x82\x06behind"));
}

/// Sends until TLS keeps something, with and without senders that write to the socket, and waits for it.
#[tokio::test]
async fn what_tls_keeps_is_not_flushed_before_the_socket_has_taken_it() {
    for messages in [StreamMessages::Joined, StreamMessages::Separate] {
        let (socket, mut client) = pair().await;
        let mut io = Io::tls(Arc::clone(&socket), None).with_messages(messages);
        let limits = QueueLimits { bytes: 1 << 20, stall: std::time::Duration::from_secs(10) };
        let queue = Arc::new(SendQueue::new(
            limits,
            Arc::default(),
            Arc::default(),
            io.shared().map_or(Writer::Task, Writer::Socket),
        ));
        let outbound = Outbound::new(Arc::clone(&queue));
        let mut sent = 0;
        while !SharedSocket::Tls(Arc::clone(&socket)).keeps_bytes() {
            outbound.send(&Frame::new(MessageKind::Binary, &[7; 3000])).unwrap();
            sent += 3004;
            let _ = poll_fn(|cx| Poll::Ready(io.poll_drain(cx, &queue))).await;
        }
        let mut flushed = outbound.flushed();
        assert_eq!((outbound.has_backlog(), (&mut flushed).now_or_never()), (false, None), "{messages:?}");
        let draining = poll_fn(|cx| io.poll_drain(cx, &queue));
        let mut bytes = vec![0; sent];
        let (drained, read) = tokio::join!(draining, client.read_exact(&mut bytes));
        drained.unwrap();
        read.unwrap();
        assert_eq!(flushed.now_or_never(), Some(Flushed::Written), "{messages:?}");
    }
}
