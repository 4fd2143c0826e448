//! The listener: accepts sockets, has HTTP spoken on them and hands requests to endpoints.

mod accepting;
mod head;
mod peers;
mod server_sent_events;
mod serving;
mod unreadable;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tracing::Instrument;

use self::serving::AcceptedSocket;
use crate::handler::BoxFuture;
use crate::http::answers;
use crate::http::body::Body;
use crate::http::dispatch::{Mounted, Route};
use crate::http::origins::Judged;
use crate::registry::Registry;
use crate::request::{hosts, path, request_id};
use crate::{
    ClientError, CloseReason, Endpoint, Hosts, LimitRefusals, Limits, Origins, Readers, RequestBody, RequestId,
    TrustedProxies,
};

/// How long connections may take to end when the server stops, after the last of them was told.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the kernel may hold for a client that does not read, unless it is set otherwise.
const SEND_BUFFER: usize = 256 * 1024;

/// How many sockets may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Answers requests that are for no endpoint.
pub trait Respond: Send + Sync + 'static {
    /// Answers one request.
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>>;
}

/// An HTTP server whose endpoints take connections.
///
/// ```no_run
/// # use signalhub_connections::{BoxFuture, Connection, ConnectionHandler, Endpoint, Server};
/// # struct Echo;
/// # impl ConnectionHandler for Echo {
/// #     fn handle(self: std::sync::Arc<Self>, _: Connection) -> BoxFuture<()> { Box::pin(async {}) }
/// # }
/// # #[tokio::main] async fn main() -> std::io::Result<()> {
/// let server = Server::bind("127.0.0.1:3000").await?.endpoint("/echo", Endpoint::new(Echo));
/// server.run_until(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await
/// # }
/// ```
pub struct Server {
    listener: TcpListener,
    routes: Routes,
    drain_time: Duration,
}

#[derive(Clone, Default)]
struct Routes {
    endpoints: Vec<(Arc<str>, Mounted)>,
    otherwise: Option<Arc<dyn Respond>>,
    origins: Option<Origins>,
    hosts: Option<Hosts>,
    proxies: TrustedProxies,
    registry: Arc<Registry>,
}

impl Server {
    /// Binds a socket; port 0 lets the system choose one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: impl tokio::net::ToSocketAddrs) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the address names no host");
        for address in tokio::net::lookup_host(address).await? {
            match listen(address) {
                Ok(listener) => {
                    return Ok(Self { listener, routes: Routes::default(), drain_time: Duration::ZERO });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Mounts an endpoint at a path, which is matched regardless of case, of the encoding of its letters, and of dot segments.
    #[must_use]
    pub fn endpoint(mut self, path: &str, endpoint: Endpoint) -> Self {
        let (number, registry) = (self.routes.endpoints.len(), Arc::clone(&self.routes.registry));
        let mounted = Mounted { endpoint: Arc::new(endpoint), number, registry };
        self.routes.endpoints.push((path::normal(path).trim_end_matches('/').into(), mounted));
        self
    }

    /// Answers all requests that are for no endpoint; without it they get an empty 404.
    #[must_use]
    pub fn otherwise(mut self, respond: impl Respond) -> Self {
        self.routes.otherwise = Some(Arc::new(respond));
        self
    }

    /// Sets which web pages may use the server: all endpoints that have no [`Origins`] of their own, and what
    /// [`Server::otherwise`] answers.
    ///
    /// Without it, there are no CORS headers, and nobody's origin is looked at.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.routes.origins = Some(origins);
        self
    }

    /// Sets which hosts requests may be for; others get 421. By default all are served, as by the original.
    #[must_use]
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.routes.hosts = Some(hosts);
        self
    }

    /// Sets whose word is taken about where requests come from; nobody's by default.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.routes.proxies = proxies;
        self
    }

    /// Sets how much the server takes on.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.routes.registry.limit(limits);
        self
    }

    /// Sets over which time the clients are told to leave when the server stops, so that not all of them reconnect
    /// elsewhere at once; zero by default, which tells them all together.
    #[must_use]
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time;
        self
    }

    /// Sets how many bytes the kernel is asked to hold for a client that does not read (`SO_SNDBUF`), 256 KiB by default;
    /// beyond it, the [queue of the connection](Endpoint::queue_limit) counts. Linux takes the double and has a maximum
    /// of its own, `net.core.wmem_max`.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn send_buffer_size(self, bytes: usize) -> io::Result<Self> {
        // Accepted sockets inherit it.
        SockRef::from(&self.listener).set_send_buffer_size(bytes)?;
        Ok(self)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// A view on the number of connections, valid while the server runs.
    pub fn connections(&self) -> ConnectionCounts {
        ConnectionCounts(Arc::clone(&self.routes.registry))
    }

    /// The clients of this server as a publisher waits for them.
    pub fn readers(&self) -> Readers {
        Readers(Arc::clone(self.routes.registry.backlog()))
    }

    /// Serves until `shutdown` completes, then stops in order: no new connections, the live ones are sent away, spread
    /// over the [drain time](Self::drain_time), and 5 s for the last of them to end; so all of it takes at most the
    /// drain time and 5 s.
    ///
    /// Until the connections have ended, requests are answered as before, so that clients can poll and a load balancer
    /// can see that the server is [not ready](ConnectionCounts::is_draining); only negotiations and new connections get
    /// 503.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, routes, drain_time } = self;
        let registry = Arc::clone(&routes.registry);
        let send_timeouts = routes.endpoints.iter().map(|(_, mounted)| mounted.endpoint.queue_limits().stall);
        let send_timeout = send_timeouts.fold(registry.limits().times().send, Duration::max);
        peers::watch(&SockRef::from(&listener), send_timeout)?;
        registry.start_ticking();
        let (stop, stopping) = watch::channel(());
        let mut accepting = Box::pin(accepting::accept(listener, Arc::new(routes), stopping));
        tokio::select! {
            () = shutdown => {}
            never = &mut accepting => match never {}
        }
        let end = tokio::time::Instant::now().checked_add(drain_time.saturating_add(DRAIN_TIMEOUT));
        let emptied = tokio::select! {
            emptied = registry.drain_and_empty(drain_time, DRAIN_TIMEOUT) => emptied,
            never = &mut accepting => match never {}
        };
        drop(accepting);
        // Requests that have begun are answered; each socket holds a receiver until then.
        let _ = stop.send(());
        let answered = match end {
            Some(end) => tokio::time::timeout_at(end, stop.closed()).await.is_ok(),
            None => true,
        };
        if !(emptied && answered) {
            tracing::warn!(left = registry.active(), "connections did not end in time");
        }
        Ok(())
    }
}

/// Counts the connections of a running server.
#[derive(Clone, Debug)]
pub struct ConnectionCounts(pub(crate) Arc<Registry>);

impl ConnectionCounts {
    /// Connections that are live: all but those that wait for their first transport.
    pub fn active(&self) -> usize {
        self.0.active()
    }

    /// Those of them that have lost their transport and wait for their client to come back.
    pub fn suspended(&self) -> usize {
        self.0.suspended()
    }

    /// How often a client has come back to its connection so far, with a new transport.
    pub fn resumed(&self) -> u64 {
        self.0.resumed()
    }

    /// How many connections have ended so far while they waited for their client to come back.
    pub fn given_up(&self) -> u64 {
        self.0.given_up()
    }

    /// Negotiated connections that wait for a transport.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// What was refused so far.
    pub fn refusals(&self) -> LimitRefusals {
        self.0.refusals().so_far()
    }

    /// How many requests so far failed for what their clients did wrong.
    pub fn client_errors(&self, error: ClientError) -> u64 {
        self.0.client_errors().of(error)
    }

    /// How many live connections have ended so far for this reason.
    pub fn ended(&self, reason: CloseReason) -> u64 {
        self.0.ends().of(reason)
    }

    /// Tells whether the server stops, so that it is not to be sent new clients.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    /// Waits until the server stops.
    pub async fn draining(&self) {
        self.0.draining().await;
    }

    /// Waits until no connection is live.
    pub async fn emptied(&self) {
        self.0.emptied().await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit all of these.
    let options = SockRef::from(&socket);
    options.set_send_buffer_size(SEND_BUFFER)?;
    peers::watch(&options, Duration::ZERO)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Routes {
    fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    async fn answer(&self, request: Request<Incoming>, accepted: &AcceptedSocket) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        let address = self.proxies.resolve(&mut head, accepted.address);
        let share = match &accepted.share {
            Some(_) => None,
            None => match accepted.sockets.take(address.ip()) {
                Ok(share) => share,
                Err(limit) => {
                    let span = request_span(&head, &RequestId::of(&head.headers));
                    let mut response = span.in_scope(|| self.registry.refusals().turn_away(limit));
                    self.add_cors_headers(&head, &mut response);
                    return response;
                }
            },
        };
        let body = RequestBody::new(body, accepted.body_time, &self.registry);
        let mut response = self.dispatch(Request::from_parts(head, body)).await;
        if let Some(share) = share {
            response.body_mut().keep_share(share);
        }
        response
    }

    /// Checks what a request is for, and brings its path into one form; an error is its answer.
    #[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
    fn check_head(&self, head: &mut Parts) -> Result<(), (ClientError, String, Response<Body>)> {
        let malformed = |detail: String| (ClientError::MalformedRequest, detail, answers::malformed());
        let asked = hosts::asked(head).map_err(|error| malformed(error.to_string()))?;
        if let (Some(hosts), Some(asked)) = (&self.hosts, asked)
            && !hosts.serve(asked)
        {
            let response = answers::text(StatusCode::MISDIRECTED_REQUEST, "This host is not served here.");
            return Err((ClientError::ForeignHost, asked.host().to_owned(), response));
        }
        path::normalise(&mut head.uri).map_err(|_| malformed(head.uri.path().to_owned()))
    }

    async fn dispatch(&self, request: Request<RequestBody>) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        if let Err((error, detail, response)) = self.check_head(&mut head) {
            let refuse = || self.registry.client_errors().refuse(error, detail, response);
            return request_span(&head, &RequestId::of(&head.headers)).in_scope(refuse);
        }
        if let Some((route, mounted)) = self.find(head.uri.path()) {
            return mounted.answer(route, Request::from_parts(head, body), self.origins.as_ref()).await;
        }
        let id = RequestId::of(&head.headers);
        let span = request_span(&head, &id);
        head.extensions.insert(id);
        self.answer_otherwise(Request::from_parts(head, body)).instrument(span).await
    }

    /// Answers a request that is for no endpoint.
    async fn answer_otherwise(&self, request: Request<RequestBody>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let cors = match self.origins.as_ref().map(|origins| origins.judge(&head, || false)) {
            None => None,
            Some(Judged::Passed(cors)) => Some(cors),
            Some(Judged::Preflight(response)) => return response,
            Some(Judged::Foreign(response)) => return self.registry.refusals().turn_away_page(&head, response),
        };
        let response = match &self.otherwise {
            Some(respond) => Arc::clone(respond).respond(Request::from_parts(head, body)).await,
            None => self.registry.client_errors().refuse(
                ClientError::UnknownPath,
                head.uri.path(),
                answers::empty(StatusCode::NOT_FOUND),
            ),
        };
        self.registry.refusals().add_cors_headers(cors.as_ref(), response)
    }

    fn find(&self, path: &str) -> Option<(Route, &Mounted)> {
        self.endpoints.iter().find_map(|(endpoint, mounted)| Some((matching(endpoint, path)?, mounted)))
    }

    /// Lets the page that sent a request read an answer that comes before anything was looked at.
    fn add_cors_headers<B>(&self, head: &Parts, response: &mut Response<B>) {
        let own = self.find(head.uri.path()).and_then(|(_, mounted)| mounted.endpoint.own_origins());
        if let Some(Judged::Passed(cors)) = own.or(self.origins.as_ref()).map(|origins| origins.judge(head, || false)) {
            cors.write(response.headers_mut());
        }
    }
}

/// What the lines of a log about a request have in common.
fn request_span(head: &Parts, id: &RequestId) -> tracing::Span {
    tracing::info_span!("request", %id, address = request_id::address(head), method = %head.method)
}

/// Matches `{path}` and `{path}/negotiate`, regardless of case, with one trailing slash allowed (routes).
pub(crate) fn matching(endpoint: &str, path: &str) -> Option<Route> {
    let (head, tail) = path.split_at_checked(endpoint.len())?;
    if !head.eq_ignore_ascii_case(endpoint) {
        return None;
    }
    match tail.strip_suffix('/').unwrap_or(tail) {
        "" => Some(Route::Connect),
        rest if rest.eq_ignore_ascii_case("/negotiate") => Some(Route::Negotiate),
        _ => None,
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.routes.endpoints.iter().map(|(path, _)| path).collect();
        f.debug_struct("Server").field("paths", &paths).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
