//! An endpoint as a tower service, for programs with an HTTP server of their own.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
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
use crate::registry::revocations::Revocations;
use crate::request::forwarded::{Scheme, TrustedProxies};
use crate::request::path;
use crate::request::remote_address::RemoteAddress;
use crate::transport::io::{Io, Stream};

/// How long connections may take to end after the last of them has received `Drain`.
const GRACE: Duration = Duration::from_secs(5);

/// An endpoint as a tower service: with axum, `Router::new().nest_service("/hub", TowerEndpoint::new(endpoint))`.
///
/// All clones share their connections. The service starts its tasks with the first request, in the runtime that
/// serves it; connections go on after the last clone was dropped, until they end by themselves.
///
/// # Paths
/// The service expects paths without the prefix that it is nested under, as axum's `nest_service` gives them; anything but
/// the prefix itself, its `negotiate`, and its `refresh` if the endpoint has that route, gets 404. Behind the prefix, paths match as with [`Server`](crate::Server):
/// regardless of case, of the encoding of letters and of dot segments, with one slash at the end allowed. The prefix is
/// matched by the router around the service; axum compares it as it is written, with its case. To match whole paths as
/// `Server` does, set the path with [`TowerEndpoint::at`] and make the service the fallback of the router.
///
/// # What the surrounding server decides
/// It accepts the sockets, so it decides about these things:
/// - `TCP_NODELAY`: without it, the second of two small messages waits for an acknowledgement, up to 40 ms. WebSockets on
///   plain TCP sockets get it here in any case. Event streams, polls and TLS depend on the surrounding server, because it
///   never hands over their socket. With axum, `listener.tap_io(|socket| drop(socket.set_nodelay(true)))` sets it for all
///   sockets; with hyper, call `set_nodelay` after `accept`.
/// - `SO_KEEPALIVE` and `TCP_USER_TIMEOUT`: without them, a client whose network has failed is detected only after many
///   minutes, unless it has pinged before. [`Server`](crate::Server) sets both.
/// - How long heads and responses may take, and how many file descriptors there are. A response that a client does not read
///   stays in the memory of the surrounding server.
/// - Where a request comes from: the limits per address, [`TowerEndpoint::trusted_proxies`] and
///   [`Connection::remote_address`](crate::Connection::remote_address) need a [`RemoteAddress`] among the extensions of each
///   request. With axum, a `map_request` middleware takes it from `ConnectInfo`; see the example `axum`.
/// - Which address clients use: [`Endpoint::tickets`] needs [`Tickets::public_url`](crate::Tickets::public_url).
/// - Shutdown: await [`TowerEndpoint::drain`] before the server ends.
///
/// It cannot be a node of a [cluster](crate::Cluster): a load balancer in front of several of them needs sticky sessions.
#[derive(Clone)]
pub struct TowerEndpoint(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    mounted: Mounted,
    /// The path that it answers, without a slash at the end. It is empty if a router removes the prefix.
    path: Box<str>,
    proxies: TrustedProxies,
    started: Arc<Once>,
}

impl TowerEndpoint {
    /// Makes a tower service of an endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        let mounted =
            Mounted { endpoint: Arc::new(endpoint.without_unknown_urls()), number: 0, registry: Arc::default() };
        let (path, proxies, started) = (Box::default(), TrustedProxies::none(), Arc::new(Once::new()));
        Self(Arc::new(Shared { mounted, path, proxies, started }))
    }

    /// Expects whole paths, and matches this one as [`Server::endpoint`](crate::Server::endpoint) does.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        self.change(|shared| shared.path = path::normal(path).trim_end_matches('/').into())
    }

    /// Sets the proxies whose forwarded headers contain the addresses of clients; none by default. A request comes from a
    /// proxy if its [`RemoteAddress`] is the proxy's, which is then replaced by the client's.
    #[must_use]
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.change(|shared| shared.proxies = proxies)
    }

    /// Sets the limits of the endpoint. Those of sockets and heads are the surrounding server's.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.registry().limit(limits);
        self
    }

    /// The numbers of connections. They stay up to date while the endpoint is used.
    pub fn connections(&self) -> ConnectionCounts {
        ConnectionCounts(Arc::clone(self.registry()))
    }

    /// What revokes credentials while the endpoint is used.
    pub fn revocations(&self) -> Revocations {
        Revocations(Arc::clone(self.registry()))
    }

    /// Refuses new connections from now on, closes the live ones one after another over the given time, and waits until all
    /// have ended, at most 5 s longer.
    pub async fn drain(&self, time: Duration) {
        if !self.registry().drain_and_empty(time, GRACE).await {
            tracing::warn!(left = self.registry().active(), "connections did not end in time");
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn registry(&self) -> &Arc<Registry> {
        &self.0.mounted.registry
    }
}

impl Shared {
    /// Determines the client's address and the route of a request. The error is the answer.
    #[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
    fn check_head(&self, head: &mut Parts) -> Result<Route, Response<Body>> {
        if let Some(peer) = head.extensions.get::<RemoteAddress>().map(|peer| peer.ip())
            && self.proxies.trusts(peer)
        {
            self.proxies.resolve(head, peer, Scheme::Http);
        }
        let refuse =
            |head: &Parts, error, response| refuse_error(&self.mounted.registry, error, head.uri.path(), response);
        // The surrounding router has removed the prefix. A path that leads out of it with `..` is another path.
        let is_within = !self.path.is_empty() || path::is_within_root(head.uri.path());
        if path::normalise(&mut head.uri).is_err() {
            return Err(refuse(head, ClientError::MalformedRequest, answers::malformed()));
        }
        let route = Route::of(&self.mounted, &self.path, head.uri.path()).filter(|_| is_within);
        route.ok_or_else(|| refuse(head, ClientError::UnknownPath, answers::empty(StatusCode::NOT_FOUND)))
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
            let registry = &shared.mounted.registry;
            shared.started.call_once(|| registry.start_ticking());
            let upgrade = hyper::upgrade::on(&mut request);
            let (mut head, body) = request.into_parts();
            let route = match shared.check_head(&mut head) {
                Ok(route) => route,
                Err(response) => return Ok(response),
            };
            let body = RequestBody::new(body, registry.body_timeout(), registry);
            let request = Request::from_parts(head, body);
            let mut response = dispatch::answer(&shared.mounted, route, request, None).await;
            if let Some(accept) = response.body_mut().take_socket() {
                tokio::spawn(hand_over(upgrade, accept));
            }
            Ok(response)
        })
    }
}

/// Waits for the upgrade, takes the socket from hyper, and passes it on with the bytes that the client has already sent.
async fn hand_over(upgrade: OnUpgrade, accept: Accept) {
    match upgrade.await.map(into_socket) {
        Ok(Ok(PlainSocket { socket, ahead })) => {
            // The surrounding program may have left Nagle's algorithm on, which holds a message back until the client has
            // acknowledged the previous one.
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%error, "a socket was closed before it was upgraded");
                return;
            }
            accept(Io::Tcp { socket: Arc::new(socket), _share: None }, ahead);
        }
        Ok(Err(upgraded)) => accept(Io::stream(TokioIo::new(upgraded)), Vec::new()),
        Err(error) => tracing::debug!(%error, "the upgrade did not complete"),
    }
}

/// What the surrounding server speaks, as TLS or HTTP/2. Its socket is not known.
impl Stream for TokioIo<Upgraded> {}

/// A plain TCP socket after an upgrade.
struct PlainSocket {
    socket: TcpStream,
    /// Bytes that were already read from it.
    ahead: Vec<u8>,
}

/// Takes the plain TCP socket out of an upgrade. Returns the upgrade if it is another stream, such as TLS. hyper and the
/// `auto` builder of hyper-util, which axum uses, wrap the socket differently.
fn into_socket(upgraded: Upgraded) -> Result<PlainSocket, Upgraded> {
    let (io, ahead) = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => (parts.io, parts.read_buf),
        Err(upgraded) => {
            let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded)?;
            (parts.io, parts.read_buf)
        }
    };
    // The bytes are copied, so that the much larger buffer around them is freed.
    Ok(PlainSocket { socket: io.into_inner(), ahead: ahead.to_vec() })
}

impl fmt::Debug for TowerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TowerEndpoint").field(&self.0.mounted.endpoint).finish()
    }
}
