//! `NodeRequests`: what a node of a cluster asks other nodes for itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Limited};

use crate::cluster::client::{ForwardedBody, NodeUriError};
use crate::cluster::forward_header::{ACCEPTED, ForwardHeader, ForwardedRequest, SIGNALHUB_FORWARDED};
use crate::cluster::node::Node;
use crate::registry::Registry;
use crate::request::forwarded::Scheme;

/// Where a forwarded request has the address of its client: there is none.
const NO_CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Sends requests of this node itself to other nodes of its cluster, which answer them with
/// [`Cluster::otherwise`](crate::Cluster::otherwise). [`Server::node_requests`](crate::Server::node_requests) makes it.
///
/// A request has the same signed header as one that is forwarded for a client: it proves that a node with a secret of the cluster
/// has made it now, for this node, with this method, path and query. A request has no body, because the header covers none.
#[derive(Clone)]
pub struct NodeRequests(pub(crate) Arc<Registry>);

/// What another node answers.
#[derive(Clone, Debug)]
pub struct NodeAnswer {
    /// The status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer of another node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeRequestError {
    /// The server is no node of a cluster, or does not run yet.
    #[error("this server is no running node of a cluster")]
    NotRunning,
    /// The other node has no address for requests of nodes.
    #[error("the node accepts no requests of other nodes")]
    NoAddress,
    /// The path and the query cannot be sent.
    #[error("this is no path and query: {0}")]
    Target(String),
    /// The request or its answer was lost.
    #[error("{0}")]
    Lost(String),
    /// The other node, or another program at its address, refuses requests of this node.
    #[error("the node refuses the request: {0}")]
    Refused(String),
}

impl NodeRequests {
    /// Sends a request to a node, and reads its answer, of at most `longest` bytes. The caller limits the time.
    ///
    /// # Errors
    /// If the node cannot be reached or refuses the request, or if its answer is longer.
    pub async fn send(
        &self,
        to: &Node,
        method: Method,
        target: &str,
        longest: usize,
    ) -> Result<NodeAnswer, NodeRequestError> {
        let this = self.0.node().ok_or(NodeRequestError::NotRunning)?;
        let address = to.address.as_ref().ok_or(NodeRequestError::NoAddress)?;
        let mut request = Request::new(ForwardedBody::Empty);
        let uri = this.client.uri(address, target);
        *request.uri_mut() = uri.map_err(|error| match error {
            NodeUriError::Invalid(error) => NodeRequestError::Target(error.to_string()),
            public @ NodeUriError::Public(_) => NodeRequestError::Lost(public.to_string()),
        })?;
        *request.version_mut() = Version::HTTP_11;
        let header = ForwardHeader::new(this.name.clone(), NO_CLIENT, Scheme::Http, SystemTime::now());
        let signed = this.sign(&header, ForwardedRequest { to: &to.name, method: &method, target });
        *request.method_mut() = method;
        request.headers_mut().insert(SIGNALHUB_FORWARDED, signed);
        // This host is served wherever hosts are checked: the request is for no host of clients.
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        let lost = |error: &dyn fmt::Display| NodeRequestError::Lost(error.to_string());
        let answer = this.client.send(request).await.map_err(|error| lost(&error))?;
        match answer.headers().get(SIGNALHUB_FORWARDED) {
            Some(accepted) if *accepted == ACCEPTED => {}
            refused => {
                let reason = refused.and_then(|reason| reason.to_str().ok());
                let reason = reason.unwrap_or("the address is not one for other nodes");
                return Err(NodeRequestError::Refused(reason.to_owned()));
            }
        }
        let status = answer.status();
        let body = Limited::new(answer.into_body(), longest).collect().await.map_err(|error| lost(&error))?;
        Ok(NodeAnswer { status, body: body.to_bytes() })
    }
}

impl fmt::Debug for NodeRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodeRequests").field(&self.0.node()).finish()
    }
}
