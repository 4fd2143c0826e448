//! Accepts sockets, and decides which of them may stay.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::SendFlags;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::accepted_socket::AcceptedSocket;
use super::idle_sockets::IdleSockets;
use super::routes::Routes;
use super::serving;
use crate::limits::Limits;
use crate::limits::file_descriptors::Descriptors;
use crate::limits::limit::Limit;
use crate::limits::socket_quotas::{SocketQuotas, SocketShare};
use crate::request::forwarded::Scheme;
use crate::request::remote_address::RemoteAddress;

/// The whole response on a socket that is accepted when too few file descriptors are left.
const NO_DESCRIPTORS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The whole response on a socket from an address that has too many.
const TOO_MANY_SOCKETS: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Accepts sockets for as long as it is polled.
pub(super) async fn accept(listener: TcpListener, routes: Arc<Routes>, stopping: watch::Receiver<()>) -> Infallible {
    let limits = routes.registry.limits();
    let mut admission = Admission::new(&limits);
    loop {
        let (socket, address) = match listener.accept().await {
            Ok((socket, address)) => (socket, RemoteAddress::new(address.ip()).ip()),
            Err(error) => {
                pause_accepting(&error).await;
                continue;
            }
        };
        match admission.admit(address, &routes) {
            Ok(share) => {
                let (routes, stopping) = (Arc::clone(&routes), stopping.clone());
                let (quotas, sockets) = (Arc::clone(&admission.quotas), Arc::clone(&admission.sockets));
                let (times, body_time, head_size) = (limits.times(), limits.body_time(), limits.longest_head());
                let accepted = AcceptedSocket {
                    address,
                    share,
                    #[cfg(feature = "tls")]
                    certificate: None,
                    times,
                    body_time,
                    head_size,
                    routes,
                    quotas,
                    sockets,
                    stopping,
                };
                serving::serve(socket, accepted);
            }
            Err(limit) => turn_away(&socket, limit, address, &routes),
        }
    }
}

/// Decides whether a socket that was just accepted may stay.
struct Admission {
    quotas: Arc<SocketQuotas>,
    sockets: Arc<IdleSockets>,
    descriptors: Descriptors,
}

impl Admission {
    fn new(limits: &Limits) -> Self {
        let descriptors = Descriptors::new(limits.headroom());
        let quotas = SocketQuotas::new(limits.socket_limit(descriptors.most()));
        Self { quotas, sockets: Arc::default(), descriptors }
    }

    /// Admits a socket, and returns its share in the quota of its address.
    fn admit(&mut self, address: IpAddr, routes: &Routes) -> Result<Option<SocketShare>, Limit> {
        // The socket of a proxy or another node counts for the client of each request, whose address is in the request.
        let share = if routes.trusts(address) { None } else { self.quotas.take(address)? };
        let now = Instant::now();
        if self.descriptors.admit(now) || self.sockets.evict(now) { Ok(share) } else { Err(Limit::Descriptors) }
    }
}

/// Tries to send a response before the socket is closed. It does not wait until the client has read it, because the
/// descriptor is needed.
fn turn_away(socket: &TcpStream, limit: Limit, address: IpAddr, routes: &Routes) {
    tracing::debug!(reason = limit.label(), %address, "a socket was refused");
    routes.registry.refusals().count(limit);
    if routes.scheme() == Scheme::Https {
        // Without a handshake the client could not read it.
        return;
    }
    let answer = if limit == Limit::SocketsPerAddress { TOO_MANY_SOCKETS } else { NO_DESCRIPTORS };
    let _ = rustix::net::send(socket, answer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// Pauses after a failed accept, unless the error concerns only one client. If the process is out of descriptors, trying
/// again at once would fail again.
async fn pause_accepting(error: &io::Error) {
    tracing::warn!(%error, "a socket could not be accepted");
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
