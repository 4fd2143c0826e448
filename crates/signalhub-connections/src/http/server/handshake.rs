//! The TLS handshake of one socket.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::accepted_socket::AcceptedSocket;
use super::idle_sockets::SocketEntry;
use super::tls::Acceptor;
use super::tls::client_certificate::ClientCertificate;
use super::unreadable;
use crate::http::request_timeouts::RequestTimeouts;
use crate::limits::times::{Overdue, Times};
use crate::shared_socket::tls::TlsSocket;
use crate::transport::client_socket::ClientSocket;

/// How many bytes the TLS library may buffer for a client that does not read. More stays in the queue of the connection.
const BUFFER_LIMIT: usize = 16 * 1024;

/// How requests begin, without TLS. No record of TLS begins with a letter.
const REQUESTS: [&[u8]; 7] = [b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"PUT ", b"DELETE ", b"PATCH "];

/// The answer to a request without TLS.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\
    Connection: close\r\n\r\nThis port speaks TLS";

/// A socket after its handshake.
pub(super) struct Secured {
    pub(super) socket: ClientSocket,
    /// The client's certificate, if it was asked for one and has one.
    pub(super) certificate: Option<ClientCertificate>,
}

/// A handshake that is due.
pub(super) struct Handshake {
    timeouts: Arc<RequestTimeouts>,
    /// Lets the socket be evicted meanwhile, as an idle one.
    entry: SocketEntry,
}

impl Handshake {
    /// Begins to measure the time that it takes, and lists the socket among those that may be evicted.
    pub(super) fn new(acceptor: &Acceptor, accepted: &AcceptedSocket) -> Self {
        let timeouts = RequestTimeouts::new(Times { header: acceptor.timeout, ..accepted.times });
        Self { entry: accepted.sockets.add(&timeouts), timeouts }
    }

    /// Performs it; `None` if the socket cannot be served.
    pub(super) async fn perform(
        self,
        socket: TcpStream,
        acceptor: &Acceptor,
        accepted: &AcceptedSocket,
    ) -> Option<Secured> {
        let Self { timeouts, entry: _entry } = self;
        let mut stopping = accepted.stopping.clone();
        let handshake = async {
            tokio::select! {
                handshake = begin(socket, acceptor) => Some(handshake),
                _ = stopping.changed() => None,
            }
        };
        let (counts, address) = (&acceptor.counts, accepted.address);
        match timeouts.drive(pin!(handshake)).await {
            Ok(Some(Ok(stream))) => {
                counts.completed.fetch_add(1, Ordering::Relaxed);
                let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let certificate = leaf.and_then(ClientCertificate::read);
                return Some(Secured { socket: ClientSocket::Tls(Box::new(TlsSocket::new(stream))), certificate });
            }
            Ok(Some(Err(error))) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(reason = "failed", %error, %address, "a TLS handshake failed");
            }
            // The server has stopped.
            Ok(None) => {}
            Err(Overdue::Evicted) => {
                tracing::debug!(reason = Overdue::Evicted.label(), %address, "a client took too long");
                accepted.routes.registry.refusals().count_overdue(Overdue::Evicted);
            }
            Err(_) => {
                counts.timed_out.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(reason = "timeout", %address, "a TLS handshake took too long");
            }
        }
        None
    }
}

async fn begin(mut socket: TcpStream, acceptor: &Acceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut start = [0; 8];
    let count = socket.peek(&mut start).await?;
    if count > 0 && REQUESTS.iter().any(|request| is_beginning(&start[..count], request)) {
        socket.write_all(NOT_TLS).await?;
        socket.shutdown().await?;
        // If a socket is closed with unread input, the client may not get the response.
        unreadable::discard(&mut socket).await;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the client sent HTTP without TLS"));
    }
    acceptor.rustls.accept_with(socket, |connection| connection.set_buffer_limit(Some(BUFFER_LIMIT))).await
}

/// Tells whether one of them begins with the other.
fn is_beginning(start: &[u8], request: &[u8]) -> bool {
    start.iter().zip(request).all(|(one, other)| one == other)
}
