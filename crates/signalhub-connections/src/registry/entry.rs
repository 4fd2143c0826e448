//! One connection in the registry: the stages of its life, and how requests reach it.
//!
//! ```text
//!             negotiate                admit
//!                 ▼                      ▼
//!              Waiting ── attach ──▶  Active ── suspend ──▶ Suspended
//!                 │                    │  ◀────── resume ──────  │
//!              expired               ended                  given up
//!                 ▼                    ▼                         ▼
//!              removed              removed                   removed
//! ```
//! A connection is removed from Active and Suspended when its [`Registration`](super::Registration) is dropped, or its
//! token freed. Undelivered output of a long-polling connection keeps it active until the client fetches it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::tickets::{ConnectionTicket, TicketState};
use crate::auth::identity::Owner;
use crate::cluster::claim::ConnectionClaim;
use crate::id::ConnectionId;
use crate::limits::limit::Limit;
use crate::limits::quota::QuotaShare;
use crate::outbound::SendQueue;
use crate::request::remote_address::RemoteAddress;
use crate::transport::handover::Handover;
use crate::transport::inbox::Inbox;
use crate::transport::long_polling::Polls;
use crate::transport::reconnect::Reconnect;
use crate::transport_kind::TransportKind;

/// The connection of one token.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: ConnectionId,
    /// Requests of others do not find the connection.
    pub(super) owner: Owner,
    /// Where the request came from that negotiated it or opened its latest transport.
    pub(super) remote: Option<RemoteAddress>,
    /// When it got its first transport; before that, when it was negotiated.
    pub(super) since: Instant,
    pub(super) stage: Stage,
    /// The share in the quota of a connection that can be resumed. The request for the next transport takes it over.
    pub(super) share: QuotaShare,
    /// The ticket that opens the connection, if its client got one.
    pub(super) ticket: Option<Box<ConnectionTicket>>,
    /// Shows the other nodes of the cluster that this one owns the connection.
    pub(super) claim: Option<Box<ConnectionClaim>>,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Negotiated; bytes may have been posted already.
    Waiting(Waiting),
    /// Attached to its transport.
    Active(Link),
    /// Its transport was lost, and another one may be attached.
    Suspended { link: Link, since: Instant },
}

/// A connection that waits for its first transport.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: Instant,
    pub(super) inbox: Option<Arc<Inbox>>,
    pub(super) reconnect: Reconnect,
    /// Its share in the quota of negotiations.
    pub(super) share: QuotaShare,
}

impl Entry {
    /// The state of the ticket of a connection that has just got its transport.
    pub(super) fn ticket_state(&self) -> TicketState {
        match &self.ticket {
            Some(_) => TicketState::Open,
            None => TicketState::NoTicket,
        }
    }
}

impl Stage {
    pub(super) fn link(&self) -> Option<&Link> {
        match self {
            Self::Waiting(_) => None,
            Self::Active(link) | Self::Suspended { link, .. } => Some(link),
        }
    }
}

/// The transport of a connection, as far as requests and ticks need it.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    WebSocket { send_queue: Arc<SendQueue>, handover: Option<Arc<Handover>> },
    Events(Arc<Inbox>),
    Polls(Arc<Polls>),
}

impl Link {
    pub(super) fn kind(&self) -> TransportKind {
        match self {
            Self::WebSocket { .. } => TransportKind::WebSockets,
            Self::Events(_) => TransportKind::ServerSentEvents,
            Self::Polls(_) => TransportKind::LongPolling,
        }
    }

    /// How long the connection may wait for another transport; `None` if it cannot be resumed.
    pub(super) fn disconnect_timeout(&self) -> Option<Duration> {
        match self {
            Self::WebSocket { handover, .. } => handover.as_ref().map(|handover| handover.disconnect_timeout()),
            Self::Events(_) | Self::Polls(_) => None,
        }
    }

    pub(super) fn send_queue(&self) -> &Arc<SendQueue> {
        match self {
            Self::WebSocket { send_queue, .. } => send_queue,
            Self::Events(inbox) => inbox.send_queue(),
            Self::Polls(polls) => polls.inbox().send_queue(),
        }
    }
}

/// A transport that was made for a negotiated connection.
pub(crate) struct NewTransport<T> {
    pub(crate) link: Link,
    /// What the caller of `Registry::attach` gets back in [`Attached`](super::Attached).
    pub(crate) made: T,
}

/// Whether the connection of a token has a transport.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// It waits for its first one.
    Waiting,
    /// It has one, or waits for another one after it has lost one.
    Attached(Link),
}

/// Why a connection could not be negotiated, or a transport could not be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    Unknown,
    OtherTransport,
    AlreadyAttached,
    /// The ticket can open no other connection any more.
    TicketUsed,
    Refused(Limit),
}

impl From<Limit> for AttachError {
    fn from(limit: Limit) -> Self {
        Self::Refused(limit)
    }
}

/// A connection that a new transport may take over.
pub(crate) struct Resumable {
    pub(crate) send_queue: Arc<SendQueue>,
    pub(crate) handover: Arc<Handover>,
}
