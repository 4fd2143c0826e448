//! The request that opened a client's connection, and what was negotiated with it.

use std::ops::Deref;
use std::sync::Arc;

use signalhub_connections::{Connection, OpeningRequest, Reconnect, RemoteAddress, TransportKind};
use signalhub_protocol::Protocol;

/// The HTTP request that opened the connection of a client: headers, query, cookies, and what was negotiated.
///
/// It is a parameter of hub methods and hooks; [`Caller::request`](crate::Caller::request) and
/// [`Call::request`](crate::Call::request) return it, too. It dereferences to the [`OpeningRequest`], whose documentation says
/// which request that is. The request does not change while the connection lives, also when the client reconnects
/// statefully.
///
/// A hub keeps the requests of its connections if you have added a method, a hook or a filter. This takes about 100 bytes per
/// connection plus the length of the request head: a few hundred bytes for browsers, more with large cookies.
/// [`HubBuilder::without_requests`](crate::HubBuilder::without_requests) saves this memory.
///
/// ```
/// use signalhub::{Hub, HubError, Request};
///
/// async fn language(request: Request) -> Result<Option<String>, HubError> {
///     let chosen = request.query_value("lang").or_else(|| request.cookie("lang").map(str::to_owned));
///     Ok(chosen.or_else(|| request.header("Accept-Language").map(str::to_owned)))
/// }
///
/// let hub = Hub::builder().method("Language", language).build();
/// ```
#[derive(Clone, Debug)]
pub struct Request(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    opening: OpeningRequest,
    remote_address: Option<RemoteAddress>,
    transport: TransportKind,
    protocol: Protocol,
    reconnect: Reconnect,
}

impl Request {
    pub(crate) fn new(connection: &Connection, protocol: Protocol, reconnect: Reconnect) -> Self {
        Self(Arc::new(Kept {
            opening: connection.opening_request().clone(),
            remote_address: connection.remote_address(),
            transport: connection.transport_kind(),
            protocol,
            reconnect,
        }))
    }

    /// The address of the client: the peer of the socket, or the address that trusted proxies name. `None` for a connection
    /// without a network, and in a host server that does not provide it.
    pub fn remote_address(&self) -> Option<RemoteAddress> {
        self.0.remote_address
    }

    /// The transport of the connection.
    pub fn transport(&self) -> TransportKind {
        self.0.transport
    }

    /// The hub protocol that the client chose in its handshake.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// Whether stateful reconnect was negotiated.
    pub fn reconnect(&self) -> Reconnect {
        self.0.reconnect
    }
}

impl Deref for Request {
    type Target = OpeningRequest;

    fn deref(&self) -> &OpeningRequest {
        &self.0.opening
    }
}

/// Whether a hub keeps the requests of its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Requests {
    /// Not kept: no code of the embedder can read them.
    #[default]
    Unused,
    /// Kept, because methods, hooks or filters of the embedder may read them.
    Kept,
    /// Not kept, because the embedder asked for that.
    Dropped,
}

impl Requests {
    /// The setting after the embedder has added code that can read requests.
    pub(crate) fn used(self) -> Self {
        match self {
            Self::Unused | Self::Kept => Self::Kept,
            Self::Dropped => Self::Dropped,
        }
    }
}
