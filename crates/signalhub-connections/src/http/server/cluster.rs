//! `Cluster`: makes a server one node of a cluster.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

#[cfg(feature = "tls")]
use super::tls::{Acceptor, Tls};
use crate::cluster::counts::ClusterCounts;
use crate::cluster::node::NodeName;
use crate::cluster::owners::Owners;
use crate::cluster::secrets::ClusterSecrets;

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
#[allow(dead_code, reason = "the server uses it with the next change")]
pub struct Cluster {
    pub(super) node: NodeName,
    pub(super) secrets: ClusterSecrets,
    pub(super) owners: Arc<dyn Owners>,
    pub(super) counts: ClusterCounts,
    /// Where requests of other nodes come in.
    pub(super) listener: Option<TcpListener>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<NodeTls>,
}

/// The TLS between nodes.
#[cfg(feature = "tls")]
#[allow(dead_code, reason = "the server uses it with the next change")]
pub(super) struct NodeTls {
    /// What performs handshakes with nodes that forward requests to this one.
    pub(super) acceptor: Arc<Acceptor>,
    /// Which certificates of other nodes are trusted, and which one this node presents.
    pub(super) client: Arc<rustls::ClientConfig>,
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
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Accepts requests that other nodes forward on a listener of its own; port 0 lets the system choose one. Without it,
    /// only transports that need one request work without sticky sessions: WebSockets without stateful reconnect.
    ///
    /// Requests on it must have a header that a secret of the cluster has signed within the last 30 s, and each header is
    /// good for one request. The listener should still be out of reach of clients.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(mut self, address: impl tokio::net::ToSocketAddrs) -> io::Result<Self> {
        self.listener = Some(super::listen_at(address).await?);
        Ok(self)
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
