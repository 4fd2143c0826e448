//! The server: accepts sockets, serves HTTP on them and passes requests to endpoints.

mod accepted_socket;
mod accepting;
pub(crate) mod cluster;
#[cfg(feature = "tls")]
mod handshake;
mod head;
mod idle_sockets;
mod peers;
pub(crate) mod routes;
mod server_sent_events;
mod serving;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod unreadable;

use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::request::Parts;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use self::cluster::Cluster;
use self::routes::{EndpointRoute, PageRoute, Routes};
#[cfg(feature = "tls")]
use self::tls::Tls;
use crate::http::endpoint::Endpoint;
use crate::http::mounted::Mounted;
use crate::http::node_requests::NodeRequests;
use crate::http::origins::Origins;
use crate::http::page::{Get, Page, Respond};
use crate::limits::Limits;
use crate::outbound::Readers;
use crate::registry::connection_counts::ConnectionCounts;
use crate::registry::live_connections::LiveConnections;
use crate::registry::revocations::Revocations;
use crate::request::forwarded::TrustedProxies;
use crate::request::hosts::Hosts;
use crate::request::path;

/// How long connections may take to end when the server stops, after the last of them has received `Drain`.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes the kernel may buffer for a client that does not read, by default.
const SEND_BUFFER: usize = 256 * 1024;

/// How many sockets may wait to be accepted.
const BACKLOG: u32 = 4096;

/// An HTTP server whose endpoints accept connections.
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
    cluster: Option<Cluster>,
}

impl Server {
    /// Binds a socket; port 0 lets the system choose one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(address: impl tokio::net::ToSocketAddrs) -> io::Result<Self> {
        let listener = listen_at(address).await?;
        Ok(Self { listener, routes: Routes::default(), drain_time: Duration::ZERO, cluster: None })
    }

    /// Mounts an endpoint at a path. It is matched regardless of case, of the encoding of letters and of dot segments, with
    /// or without one slash at the end.
    #[must_use]
    pub fn endpoint(mut self, path: &str, endpoint: Endpoint) -> Self {
        let (number, registry) = (self.routes.endpoints.len(), Arc::clone(&self.routes.registry));
        let mounted = Mounted { endpoint: Arc::new(endpoint), number, registry };
        self.routes.endpoints.push(EndpointRoute { path: mount_path(path), mounted });
        self
    }

    /// What revokes credentials while the server runs.
    pub fn revocations(&self) -> Revocations {
        Revocations(Arc::clone(&self.routes.registry))
    }

    /// Answers `GET` and `HEAD` of a path with a page, and other methods with 405. The path is matched as that of an
    /// endpoint; endpoints come first. The function gets the head of the request.
    ///
    /// ```no_run
    /// # use signalhub_connections::{Page, Server, StatusCode};
    /// # #[tokio::main] async fn main() -> std::io::Result<()> {
    /// let server = Server::bind("127.0.0.1:3000").await?;
    /// let connections = server.connections();
    /// let server = server.get("/health", async |_| "ok").get("/ready", move |_| {
    ///     let status = if connections.is_draining() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    ///     async move { Page::json(format!("{{\"ready\":{}}}", status.is_success())).status(status) }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn get<P, Made>(mut self, path: &str, page: impl Fn(Parts) -> Made + Send + Sync + 'static) -> Self
    where
        P: Into<Page> + 'static,
        Made: Future<Output = P> + Send + 'static,
    {
        self.routes.pages.push(PageRoute { path: mount_path(path), respond: Arc::new(Get(page)) });
        self
    }

    /// Answers all requests that are for no endpoint and no page. Without it they get an empty 404.
    #[must_use]
    pub fn otherwise(mut self, respond: impl Respond) -> Self {
        self.routes.otherwise = Some(Arc::new(respond));
        self
    }

    /// Sets which web pages may use the server: the endpoints that have no [`Origins`] of their own, and all other paths.
    ///
    /// By default there are no CORS headers, and origins are not checked.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.routes.origins = Some(origins);
        self
    }

    /// Sets which hosts are served. Requests for other hosts get 421. By default all hosts are served, as by the original.
    #[must_use]
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.routes.hosts = Some(hosts);
        self
    }

    /// Sets the proxies whose headers contain the addresses of clients; none by default.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.routes.proxies = proxies;
        self
    }

    /// Makes the server speak TLS, and nothing else: a request without TLS gets 400.
    ///
    /// # Errors
    /// If the system has no random numbers for the keys of session tickets.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &Tls) -> io::Result<Self> {
        self.routes.tls = Some(Arc::new(tls.acceptor()?));
        Ok(self)
    }

    /// Sets the limits of the server.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.routes.registry.limit(limits);
        self
    }

    /// Makes the server one node of a cluster. By default it is alone, and every request for a connection must reach it.
    #[must_use]
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Sets the time over which connections are closed, one after another, when the server stops, so that clients do not
    /// all reconnect at once. Zero by default, which closes all of them together.
    #[must_use]
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time;
        self
    }

    /// Sets how many bytes the kernel may buffer for a client that does not read (`SO_SNDBUF`), 256 KiB by default.
    /// Further bytes are queued [by the connection](Endpoint::queue_limit). Linux uses twice the value, up to
    /// `net.core.wmem_max`.
    ///
    /// # Errors
    /// The system refuses the value.
    pub fn send_buffer_size(self, bytes: usize) -> io::Result<Self> {
        // Accepted sockets inherit it.
        SockRef::from(&self.listener).set_send_buffer_size(bytes)?;
        Ok(self)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// The system call failed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The numbers of connections. They stay up to date while the server runs.
    pub fn connections(&self) -> ConnectionCounts {
        ConnectionCounts(Arc::clone(&self.routes.registry))
    }

    /// The live connections, one by one.
    pub fn live_connections(&self) -> LiveConnections {
        LiveConnections(Arc::clone(&self.routes.registry))
    }

    /// What sends requests of this server to other nodes of its [cluster](Self::cluster), while it runs.
    pub fn node_requests(&self) -> NodeRequests {
        NodeRequests(Arc::clone(&self.routes.registry))
    }

    /// Lets a publisher wait for slow clients of this server.
    pub fn readers(&self) -> Readers {
        Readers(Arc::clone(self.routes.registry.backlog()))
    }

    /// Serves until `shutdown` completes, then stops gracefully: it accepts no new connections, closes the live ones one
    /// after another over the [drain time](Self::drain_time), and waits up to 5 s for the last of them to end. So
    /// stopping takes at most the drain time and 5 s.
    ///
    /// Until the connections have ended, requests are answered as before, so that clients can poll and a load balancer
    /// can see that the server is [not ready](ConnectionCounts::is_draining); only negotiations and new connections get
    /// 503.
    ///
    /// # Errors
    /// The options of the listener cannot be set.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, routes, drain_time, cluster } = self;
        let registry = Arc::clone(&routes.registry);
        let send_timeouts = routes.endpoints.iter().map(|route| route.mounted.endpoint.queue_limits().stall);
        let send_timeout = send_timeouts.fold(registry.limits().times().send, Duration::max);
        peers::watch(&SockRef::from(&listener), send_timeout)?;
        registry.start_ticking();
        let (stop, stopping) = watch::channel(());
        let for_nodes = match cluster.and_then(|cluster| cluster.start(&routes)) {
            Some((listener, routes)) => {
                peers::watch(&SockRef::from(&listener), send_timeout)?;
                accepting::accept(listener, Arc::new(routes), stopping.clone()).boxed()
            }
            None => pending().boxed(),
        };
        let for_clients = accepting::accept(listener, Arc::new(routes), stopping).boxed();
        let mut accepting =
            futures_util::future::select(for_clients, for_nodes).map(|accepted| accepted.factor_first().0);
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
        // Requests that have begun are answered. Each socket keeps a receiver until its last response is written.
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

/// The form in which paths of requests are compared with one.
fn mount_path(path: &str) -> Arc<str> {
    path::normal(path).trim_end_matches('/').into()
}

/// Listens on the first of the addresses that can be bound.
async fn listen_at(address: impl tokio::net::ToSocketAddrs) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the address names no host");
    for address in tokio::net::lookup_host(address).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
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

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.routes.endpoints.iter().map(|route| &route.path).collect();
        f.debug_struct("Server").field("paths", &paths).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
