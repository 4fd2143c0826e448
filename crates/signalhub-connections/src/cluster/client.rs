//! The HTTP client with which a node forwards requests to other nodes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{InvalidUri, Uri};
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
#[cfg(feature = "tls")]
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tower_service::Service;

use super::node::{NodeAddress, is_private};

/// How long connecting to a node may take. A node of a cluster is near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an idle connection is kept, which is shorter than servers keep it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How many idle connections to one node are kept.
const IDLE_CONNECTIONS: usize = 128;

/// After how much time without an acknowledgement a node counts as gone.
const VANISHED: Duration = Duration::from_secs(15);

/// Connections to other nodes, which are used again.
pub(crate) enum NodeClient {
    Plain(Client<HttpConnector<PrivateResolver>, ForwardedBody>),
    #[cfg(feature = "tls")]
    Tls(Client<HttpsConnector<HttpConnector>, ForwardedBody>),
}

/// A node cannot be reached with this address, path and query.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeUriError {
    #[error(transparent)]
    Invalid(#[from] InvalidUri),
    #[error("{0} is not private, and there is no TLS between the nodes")]
    Public(IpAddr),
}

/// Finds private addresses only. Without TLS, what stands at the address of a node is not checked before it gets a request.
#[derive(Clone)]
pub(crate) struct PrivateResolver;

impl Service<Name> for PrivateResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let (private, public): (Vec<_>, Vec<_>) =
                lookup_host((name.as_str(), 0)).await?.partition(|address| is_private(address.ip()));
            match public.first().filter(|_| private.is_empty()) {
                Some(public) => Err(io::Error::other(NodeUriError::Public(public.ip()))),
                None => Ok(private.into_iter()),
            }
        })
    }
}

/// The body of a forwarded request: what the client sends, as it comes.
pub(crate) enum ForwardedBody {
    Empty,
    /// Chunks, and `None` at the end. If the sender is dropped before, the request is broken off.
    Chunks(mpsc::Receiver<Option<Bytes>>),
}

/// The client did not send the whole body.
#[derive(Debug, thiserror::Error)]
#[error("the client did not send the whole body")]
pub(crate) struct BrokenOff;

impl NodeClient {
    /// A client without TLS.
    pub(crate) fn plain() -> Self {
        Self::Plain(builder().build(connector(HttpConnector::new_with_resolver(PrivateResolver))))
    }

    /// A client over TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(config: &rustls::ClientConfig) -> Self {
        let mut http = connector(HttpConnector::new());
        http.enforce_http(false);
        let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config.clone());
        Self::Tls(builder().build(https.https_only().enable_http1().wrap_connector(http)))
    }

    /// The URI of a path and query at a node.
    pub(crate) fn uri(&self, node: &NodeAddress, target: &str) -> Result<Uri, NodeUriError> {
        let scheme = match self {
            Self::Plain(_) => "http",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "https",
        };
        let uri: Uri = format!("{scheme}://{node}{target}").parse()?;
        // Addresses that are numbers are not given to the resolver.
        let ip = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        match ip.filter(|ip| matches!(self, Self::Plain(_)) && !is_private(*ip)) {
            Some(public) => Err(NodeUriError::Public(public)),
            None => Ok(uri),
        }
    }

    /// Sends a request to the node of its URI, and waits for the head of the answer.
    pub(crate) async fn send(&self, request: Request<ForwardedBody>) -> Result<Response<Incoming>, Error> {
        match self {
            Self::Plain(client) => client.request(request).await,
            #[cfg(feature = "tls")]
            Self::Tls(client) => client.request(request).await,
        }
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).pool_max_idle_per_host(IDLE_CONNECTIONS);
    builder
}

fn connector<R>(mut connector: HttpConnector<R>) -> HttpConnector<R> {
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_keepalive(Some(VANISHED));
    connector.set_keepalive_interval(Some(VANISHED / 3));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(VANISHED));
    connector
}

impl HttpBody for ForwardedBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Chunks(chunks) => chunks.poll_recv(cx).map(|chunk| match chunk {
                Some(chunk) => chunk.map(|bytes| Ok(Frame::data(bytes))),
                None => Some(Err(BrokenOff)),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Chunks(_) => SizeHint::default(),
        }
    }
}
