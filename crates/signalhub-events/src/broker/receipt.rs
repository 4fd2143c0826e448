//! What a publisher asks for, and what it gets.

use super::tracked::Tracked;
use crate::catalogue::CatalogueError;
use crate::event::EventId;
use crate::idempotency::Idempotency;
use crate::log::{ClusterPublished, Durability, LogUnavailable, Reach, SharedPublishError};
use crate::name::NameError;
use crate::position::Position;
use crate::tracking::Tracking;

/// What a publisher asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishOptions {
    /// What a repeat is recognised by. Without it, every publish is a new one.
    pub idempotency: Option<Idempotency>,
    /// What must be true of the event before the publish completes.
    pub durability: Durability,
    /// Whether the publisher learns how far the event has come. A repeat is not tracked.
    pub tracking: Tracking,
    /// Whose subscribers the publisher wants to know of.
    pub reach: Reach,
}

/// What a publisher gets that has [asked for more](PublishOptions) than a receipt.
#[derive(Debug)]
#[non_exhaustive]
pub struct Published {
    /// The result of the publish.
    pub receipt: Receipt,
    /// How far the event has come, if it is [tracked](PublishOptions::tracking).
    pub tracked: Option<Tracked>,
    /// What is known of other nodes, if there are any and it was asked for.
    pub cluster: Option<Box<ClusterPublished>>,
}

/// The result of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Identifies the event.
    pub id: EventId,
    /// The position among the events of its name.
    pub position: Position,
    /// The number of subscribers on this node that matched the event.
    pub matched: usize,
    /// Whether the event was published earlier.
    pub repeat: Repeat,
}

/// Whether a publish repeats an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The event was published now.
    No,
    /// The same publisher published it with the same key before. The id and the position are those of that publish, and no subscriber was
    /// offered the event again.
    Yes,
}

/// Tells why an event was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event does not exist, or has no resources.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A name is too long.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The payload is not what the event needs, or cannot reach the subscribers.
    #[error("the payload cannot be delivered: {0}")]
    Payload(String),
    /// Another event was published with the idempotency key.
    #[error("the idempotency key was used for another event")]
    KeyReused,
    /// It cannot be made durable, because the broker keeps no events, keeps them in memory, or has no room for the history of this name.
    #[error("the event cannot be made durable: it has no history on a disk")]
    NotDurable,
    /// The store of the history cannot be written now.
    #[error(transparent)]
    Unavailable(#[from] LogUnavailable),
    /// The event is not known to be in the store that nodes share.
    #[error(transparent)]
    Shared(#[from] SharedPublishError),
    /// The broker's tasks have ended, with their runtime.
    #[error("the broker is closed")]
    Closed,
}
