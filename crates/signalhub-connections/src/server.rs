//! The listener: accepts sockets, speaks HTTP on them and hands requests to endpoints.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::Endpoint;
use crate::body::Body;
use crate::dispatch::{Mounted, Route};
use crate::handler::BoxFuture;
use crate::registry::Registry;

/// How long a client may take to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long connections may take to end when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the kernel may hold for a client that does not read; beyond it our own bounded queue counts.
const SEND_BUFFER: u32 = 256 * 1024;

/// How many sockets may wait to be accepted.
const BACKLOG: u32 = 4096;

/// Answers requests that are for no endpoint.
pub trait Respond: Send + Sync + 'static {
    /// Answers one request.
    fn respond(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<Response<Body>>;
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
    registry: Arc<Registry>,
}

#[derive(Clone, Default)]
struct Routes {
    endpoints: Vec<(Arc<str>, Mounted)>,
    otherwise: Option<Arc<dyn Respond>>,
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
                    return Ok(Self { listener, routes: Routes::default(), registry: Arc::default() });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Mounts an endpoint at a path, which is matched regardless of case.
    #[must_use]
    pub fn endpoint(mut self, path: &str, endpoint: Endpoint) -> Self {
        let mounted = Mounted { endpoint: Arc::new(endpoint), registry: Arc::clone(&self.registry) };
        self.routes.endpoints.push((path.trim_end_matches('/').into(), mounted));
        self
    }

    /// Answers all requests that are for no endpoint; without it they get an empty 404.
    #[must_use]
    pub fn otherwise(mut self, respond: impl Respond) -> Self {
        self.routes.otherwise = Some(Arc::new(respond));
        self
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
        ConnectionCounts(Arc::clone(&self.registry))
    }

    /// Serves until `shutdown` completes, then stops in order: no new connections, a farewell to the live ones, and a
    /// bounded time for them to end.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, routes, registry } = self;
        registry.start_ticking();
        let (stop, stopping) = watch::channel(());
        let routes = Arc::new(routes);
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => {
                        tokio::spawn(serve_socket(socket, Arc::clone(&routes), stopping.clone()));
                    }
                    Err(error) => pause_accepting(&error).await,
                },
            }
        }
        drop((listener, stopping));
        // Requests that have begun are answered; each holds a receiver until it is.
        let _ = stop.send(());
        registry.drain();
        let ended = async { tokio::join!(registry.emptied(), stop.closed()) };
        if tokio::time::timeout(DRAIN_TIMEOUT, ended).await.is_err() {
            tracing::warn!(left = registry.active(), "connections did not end in time");
        }
        Ok(())
    }
}

/// Counts the connections of a running server.
#[derive(Clone, Debug)]
pub struct ConnectionCounts(Arc<Registry>);

impl ConnectionCounts {
    /// Connections that have a transport.
    pub fn active(&self) -> usize {
        self.0.active()
    }

    /// Negotiated connections that wait for a transport.
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Waits until no connection has a transport.
    pub async fn emptied(&self) {
        self.0.emptied().await;
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A failed accept concerns one client, or the whole process when it runs out of descriptors: then trying again at
/// once would only burn the processor.
async fn pause_accepting(error: &io::Error) {
    tracing::warn!(%error, "a socket could not be accepted");
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn serve_socket(socket: TcpStream, routes: Arc<Routes>, mut stopping: watch::Receiver<()>) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "a socket was gone before it was served");
        return;
    }
    let service = service_fn(move |request| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

impl Routes {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        for (path, mounted) in &self.endpoints {
            if let Some(route) = matching(path, request.uri().path()) {
                return mounted.answer(route, request).await;
            }
        }
        match &self.otherwise {
            Some(respond) => Arc::clone(respond).respond(request).await,
            None => {
                let mut response = Response::new(Body::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        }
    }
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
