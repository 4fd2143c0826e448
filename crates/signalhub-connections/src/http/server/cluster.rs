//! `Cluster`: makes a server one node of a cluster.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::routes::Routes;
#[cfg(feature = "tls")]
use super::tls::{Acceptor, Tls};
use crate::cluster::client::NodeClient;
use crate::cluster::counts::ClusterCounts;
use crate::cluster::node::NodeName;
use crate::cluster::owners::Owners;
use crate::cluster::secrets::ClusterSecrets;
use crate::cluster::this_node::ThisNode;
use crate::http::page::Respond;

/// Makes a server one node of a cluster, so that no load balancer needs sticky sessions: any node answers any request.
///
/// Every node has the same endpoints at the same paths, the same secrets, and the same store of [`Owners`]. A negotiation is
/// answered with a signed token and takes no memory, so the limits of pending negotiations do not apply. The node that the
/// first transport reaches owns the connection. Further requests that reach another node are forwarded to it, over HTTP/1.1,
/// to the address that it [listens](Self::listen) on for other nodes.
///
/// Credentials must be in the headers or the query of each request, because the owner checks them again. A client
/// certificate is not forwarded.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use signalhub_connections::{Cluster, ClusterSecrets, NodeName, Owners, Server};
/// # async fn start(secret: &[u8], owners: Arc<dyn Owners>) -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = Cluster::new(NodeName::new("node-1")?, ClusterSecrets::new([secret])?, owners);
/// let cluster = cluster.listen("10.0.0.7:3002").await?;
/// let server = Server::bind("0.0.0.0:3000").await?.cluster(cluster);
/// # Ok(())
/// # }
/// ```
pub struct Cluster {
    node: NodeName,
    secrets: ClusterSecrets,
    owners: Arc<dyn Owners>,
    counts: ClusterCounts,
    /// Where requests of other nodes come in.
    listener: Option<TcpListener>,
    /// Answers what other nodes ask for themselves.
    otherwise: Option<Arc<dyn Respond>>,
    #[cfg(feature = "tls")]
    tls: Option<NodeTls>,
}

/// The TLS between nodes.
#[cfg(feature = "tls")]
struct NodeTls {
    /// What performs handshakes with nodes that forward requests to this one.
    acceptor: Arc<Acceptor>,
    /// Which certificates of other nodes are trusted, and which one this node presents.
    client: Arc<rustls::ClientConfig>,
}

impl Cluster {
    /// Makes this server the node of this name.
    pub fn new(node: NodeName, secrets: ClusterSecrets, owners: Arc<dyn Owners>) -> Self {
        Self {
            node,
            secrets,
            owners,
            counts: ClusterCounts::default(),
            listener: None,
            otherwise: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Accepts requests that other nodes forward on a listener of its own; port 0 lets the system choose one. Without it,
    /// only transports that need one request work without sticky sessions: WebSockets without stateful reconnect.
    ///
    /// Requests on it must have a header that a secret of the cluster has signed within the last 30 s, and each header is
    /// good for one request. The listener should still be out of reach of clients. Without TLS between the nodes, other nodes send requests
    /// to it only if its address is [private](crate::is_private).
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(mut self, address: impl tokio::net::ToSocketAddrs) -> io::Result<Self> {
        self.listener = Some(super::listen_at(address).await?);
        Ok(self)
    }

    /// Answers the requests that other nodes send for themselves, with [`NodeRequests`](crate::NodeRequests), and not for clients.
    /// Only requests with a header that a node has signed get here, so they need no credentials. Without it they get 404.
    #[must_use]
    pub fn otherwise(mut self, respond: impl Respond) -> Self {
        self.otherwise = Some(Arc::new(respond));
        self
    }

    /// Speaks TLS between the nodes, in both directions: with this certificate where it listens, and with this configuration
    /// where it connects to other nodes.
    ///
    /// # Errors
    /// If the system has no random numbers for the keys of session tickets.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: &Tls, client: Arc<rustls::ClientConfig>) -> io::Result<Self> {
        self.tls = Some(NodeTls { acceptor: Arc::new(tls.acceptor()?), client });
        Ok(self)
    }

    /// The address that it [listens](Self::listen) on for other nodes; `None` if it does not.
    ///
    /// # Errors
    /// The system call failed.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.listener.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Makes the server of these routes the node. Returns the listener for other nodes with its routes, if there is one.
    pub(super) fn start(self, routes: &Routes) -> Option<(TcpListener, Routes)> {
        #[cfg(not(feature = "tls"))]
        let client = NodeClient::plain();
        #[cfg(feature = "tls")]
        let client = self.tls.as_ref().map_or_else(NodeClient::plain, |tls| NodeClient::tls(&tls.client));
        let paths = routes.endpoints.iter().map(|route| route.path.to_string());
        let node = ThisNode::new(self.node, self.secrets, self.owners, self.counts, client, paths);
        routes.registry.join(node);
        let mut for_nodes = routes.for_nodes(routes.registry.node()?);
        #[cfg(feature = "tls")]
        {
            for_nodes.tls = self.tls.map(|tls| tls.acceptor);
        }
        for_nodes.otherwise = self.otherwise;
        Some((self.listener?, for_nodes))
    }

    /// The counts of this node.
    pub fn counts(&self) -> ClusterCounts {
        self.counts.clone()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("node", &self.node).finish_non_exhaustive()
    }
}
