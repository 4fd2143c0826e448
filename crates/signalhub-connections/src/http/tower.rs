//! An endpoint as a tower service, for programs with an HTTP server of their own.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::counts::client_errors::ClientError;
use crate::handler::BoxFuture;
use crate::http::answers;
use crate::http::body::{Accept, Body};
use crate::http::dispatch::{self, Route};
use crate::http::endpoint::Endpoint;
use crate::http::mounted::Mounted;
use crate::http::refusals::refuse_error;
use crate::http::request_body::RequestBody;
use crate::limits::Limits;
use crate::registry::Registry;
use crate::registry::connection_counts::ConnectionCounts;
use crate::request::path;
use crate::transport::io::Io;

/// How long connections may take to end after the last of them was told to.
const GRACE: Duration = Duration::from_secs(5);

/// An endpoint as a tower service: with axum, `Router::new().nest_service("/hub", endpoint.into_service())`.
///
/// It expects the path without the prefix it is mounted under, and answers `/` and `/negotiate`. All clones share their
/// connections. It starts working with the first request, inside the runtime that brings it; connections go on after the
/// last clone was dropped, until they end by themselves.
///
/// The server around it accepts the sockets, so some things are its business:
/// - `TCP_NODELAY`: without it the second of two small messages waits for an acknowledgement, up to 40 ms. With axum,
///   `listener.tap_io(|socket| drop(socket.set_nodelay(true)))` sets it for all sockets. WebSockets on plain TCP sockets
///   get it here in any case; event streams and TLS depend on it.
/// - `SO_KEEPALIVE` and `TCP_USER_TIMEOUT`: without them a client whose network has died is noticed only after many
///   minutes, unless it has pinged before. [`Server`](crate::Server) sets both.
/// - How long heads and answers may take, and how many file descriptors there are. An answer that a client does not read
///   stays with the server around it.
/// - For limits per address it puts a [`RemoteAddress`](crate::RemoteAddress) among the extensions of each request.
#[derive(Clone)]
pub struct TowerEndpoint(Arc<Shared>);

struct Shared {
    mounted: Mounted,
    started: Once,
}

impl Endpoint {
    /// Makes a tower service of the endpoint.
    pub fn into_service(self) -> TowerEndpoint {
        let mounted = Mounted { endpoint: Arc::new(self), number: 0, registry: Arc::default() };
        TowerEndpoint(Arc::new(Shared { mounted, started: Once::new() }))
    }
}

impl TowerEndpoint {
    /// Sets how many connections it takes on.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.registry().limit(limits);
        self
    }

    /// A view on the number of connections.
    pub fn connections(&self) -> ConnectionCounts {
        ConnectionCounts(Arc::clone(self.registry()))
    }

    /// Refuses new connections from now on, tells the live ones to leave, spread over the given time, and waits for
    /// their end: at most 5 s longer.
    pub async fn drain(&self, time: Duration) {
        if !self.registry().drain_and_empty(time, GRACE).await {
            tracing::warn!(left = self.registry().active(), "connections did not end in time");
        }
    }

    fn registry(&self) -> &Arc<Registry> {
        &self.0.mounted.registry
    }
}

impl<B> Service<Request<B>> for TowerEndpoint
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            shared.started.call_once(|| shared.mounted.registry.start_ticking());
            if path::normalise(request.uri_mut()).is_err() {
                let (error, response) = (ClientError::MalformedRequest, answers::malformed());
                return Ok(refuse_error(&shared.mounted.registry, error, request.uri().path(), response));
            }
            let Some(route) = Route::matching("", request.uri().path()) else {
                let (error, response) = (ClientError::UnknownPath, answers::empty(http::StatusCode::NOT_FOUND));
                return Ok(refuse_error(&shared.mounted.registry, error, request.uri().path(), response));
            };
            let upgrade = hyper::upgrade::on(&mut request);
            let registry = &shared.mounted.registry;
            let request = request.map(|body| RequestBody::new(body, registry.body_timeout(), registry));
            let mut response = dispatch::answer(&shared.mounted, route, request, None).await;
            if let Some(accept) = response.body_mut().take_socket() {
                tokio::spawn(hand_over(upgrade, accept));
            }
            Ok(response)
        })
    }
}

/// Waits for the upgrade and takes the socket out of hyper's hands, with what the client has sent ahead.
async fn hand_over(upgrade: OnUpgrade, accept: Accept) {
    match upgrade.await.map(into_socket) {
        Ok(Ok((socket, ahead))) => {
            // The program around may have left Nagle's algorithm on, which holds a message back until the client has
            // acknowledged the one before.
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "a socket was gone before it was upgraded");
                return;
            }
            accept(Io::Tcp { socket: Arc::new(socket), _share: None }, ahead);
        }
        Ok(Err(upgraded)) => accept(Io::stream(TokioIo::new(upgraded)), Vec::new()),
        Err(error) => tracing::debug!(%error, "the upgrade did not complete"),
    }
}

/// Takes the plain socket out of an upgrade, and what was read from it ahead; gives the upgrade back where it is anything
/// else, as TLS. Servers that use hyper itself and those that use hyper-util's `auto` builder, as axum does, differ in how
/// they wrap it.
fn into_socket(upgraded: Upgraded) -> Result<(TcpStream, Vec<u8>), Upgraded> {
    let (io, ahead) = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => (parts.io, parts.read_buf),
        Err(upgraded) => {
            let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded)?;
            (parts.io, parts.read_buf)
        }
    };
    // The bytes are copied, because the buffer they lie in is far larger than they are.
    Ok((io.into_inner(), ahead.to_vec()))
}

impl fmt::Debug for TowerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TowerEndpoint").field(&self.0.mounted.endpoint).finish()
    }
}
