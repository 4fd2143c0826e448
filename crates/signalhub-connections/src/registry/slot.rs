//! What the registry knows about one connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::identity::Owner;
use crate::limits::Charge;
use crate::outbound::Lane;
use crate::transport::handover::Handover;
use crate::transport::inbox::Mailbox;
use crate::transport::long_polling::Polls;
use crate::{ConnectionId, Reconnect, TransportKind};

/// What is known about one token.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: ConnectionId,
    /// Whose it is: for everybody else the token is unknown.
    pub(super) owner: Owner,
    pub(super) stage: Stage,
    /// What a connection that can be resumed counts for; whoever brings the next transport takes it over.
    pub(super) charge: Charge,
}

/// How far a connection is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Negotiated; bytes may have been posted already.
    Waiting(Waiting),
    /// Attached to its transport.
    Active(Link),
    /// Its transport was lost, and another one may come.
    Suspended { link: Link, since: Instant },
}

/// A connection that waits for its first transport.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: Instant,
    pub(super) mailbox: Option<Arc<Mailbox>>,
    pub(super) reconnect: Reconnect,
    /// Its part in what may wait.
    pub(super) charge: Charge,
}

impl Stage {
    pub(super) fn link(&self) -> Option<&Link> {
        match self {
            Self::Waiting(_) => None,
            Self::Active(link) | Self::Suspended { link, .. } => Some(link),
        }
    }
}

/// How a connection is attached.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    WebSocket { lane: Arc<Lane>, handover: Option<Arc<Handover>> },
    Events(Arc<Mailbox>),
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

    /// How long it is waited for when it has no transport.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self {
            Self::WebSocket { handover, .. } => handover.as_ref().map(|handover| handover.patience()),
            Self::Events(_) | Self::Polls(_) => None,
        }
    }

    pub(super) fn lane(&self) -> &Arc<Lane> {
        match self {
            Self::WebSocket { lane, .. } => lane,
            Self::Events(mailbox) => mailbox.lane(),
            Self::Polls(polls) => polls.mailbox().lane(),
        }
    }
}
