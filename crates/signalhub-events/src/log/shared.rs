//! A history that several nodes share: what the broker needs of it, and what it tells the broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Bounds, Durability, LogCounts, LogFuture, LogUnavailable, Opened, Page, ReadRange};
#[cfg(doc)]
use crate::broker::SharedEvents;
use crate::broker::{DeliveredCounts, Tracking};
use crate::event::{Event, EventId};
use crate::idempotency::{Fingerprint, Idempotency};
use crate::name::EventName;
use crate::position::Position;

/// A store that the brokers of several nodes write their events to, and from which each of them reads the events of all.
///
/// The store gives the positions. A broker offers an event to its subscribers when the store brings it in with
/// [`SharedEvents::arrived`], also an event that it has published itself, so that all nodes have the events of a name in one order.
pub trait SharedLog: fmt::Debug + Send + Sync {
    /// Returns the names that have events, and begins to bring in what is published behind the positions that it returns. The broker
    /// calls it once, before all else, in a runtime.
    fn open(&self, events: crate::broker::SharedEvents) -> Opened;

    /// Writes an event. It takes as long as [`patience`](Self::patience) at most. An event on its way is written even if the future is dropped.
    ///
    /// # Errors
    /// When the event was not written, or when it is not known whether it was.
    fn publish(&self, publish: SharedPublish) -> LogFuture<'_, Result<SharedPublished, SharedPublishError>>;

    /// How long a publisher waits for the store.
    fn patience(&self) -> Duration;

    /// Returns which events of a name are stored, as far as this node knows; `None` if it has not read of the name. The first may be lower
    /// than it is by now.
    fn bounds(&self, name: &EventName) -> Option<Bounds>;

    /// Reads events of a name, of any organisation.
    ///
    /// # Errors
    /// When nothing can be read now, or the events have other positions by now.
    fn read(&self, range: ReadRange) -> LogFuture<'_, Result<Page, LogUnavailable>>;

    /// Waits until all events that were written before the call are durable.
    ///
    /// # Errors
    /// When that cannot be had now.
    fn sync(&self) -> LogFuture<'_, Result<(), LogUnavailable>>;

    /// Tells whether it can make events [durable](Durability::Durable).
    fn is_durable(&self) -> bool;

    /// Returns what the store counts.
    fn counts(&self) -> LogCounts;
}

/// An event on its way into a shared log.
#[derive(Debug)]
#[non_exhaustive]
pub struct SharedPublish {
    /// The event. Its id and its node are set.
    pub event: Arc<Event>,
    /// What a repeat of the publish, at any node, is recognised by. It is stored together with the event.
    pub idempotency: Option<Idempotency>,
    /// When the publisher wants to be told.
    pub durability: Durability,
    /// Whose subscribers the publisher wants to know of.
    pub reach: Reach,
    /// Whether it wants to know how far the event comes to them.
    pub tracking: Tracking,
}

impl SharedPublish {
    /// A publish that asks for nothing but the position of the event.
    #[must_use]
    pub fn new(event: Arc<Event>) -> Self {
        let (durability, reach, tracking) = (Durability::default(), Reach::default(), Tracking::default());
        Self { event, idempotency: None, durability, reach, tracking }
    }
}

/// Whose subscribers a publisher wants to know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Those of the node that took the event.
    #[default]
    Node,
    /// Those of all nodes. Their answers are waited for this long at most. A broker without a [`SharedLog`] is the only node.
    Cluster(Duration),
}

/// What became of an event that was given to a shared log.
#[derive(Debug)]
#[non_exhaustive]
pub struct SharedPublished {
    /// The position of the event.
    pub position: Position,
    /// The event that was published with the same idempotency key before; this one was not written.
    pub repeat_of: Option<(EventId, Fingerprint)>,
    /// What is known of others that have it.
    pub cluster: ClusterPublished,
}

impl SharedPublished {
    /// An event that was written at this position.
    #[must_use]
    pub fn at(position: Position) -> Self {
        Self { position, repeat_of: None, cluster: ClusterPublished::default() }
    }
}

/// What a publisher gets beside its receipt if other nodes have the event too.
#[derive(Default)]
#[non_exhaustive]
pub struct ClusterPublished {
    /// How many replicas of the store have the event, if the store waits for them.
    pub replicas: Option<u64>,
    /// Completes with the counts of all nodes, if they were [asked for](Reach::Cluster).
    pub counts: Option<LogFuture<'static, ClusterMatches>>,
}

impl fmt::Debug for ClusterPublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterPublished").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

/// Why an event is not known to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharedPublishError {
    /// The store cannot be reached, or refuses to write. The event was not published.
    #[error("the store of the cluster is not available, and the event was not published")]
    Unavailable,
    /// The store has not answered, so the event may be published or not.
    #[error(
        "the store of the cluster has not answered, so it is not known whether the event was published: repeat it with an Idempotency-Key"
    )]
    Unknown,
}

/// How many subscribers an event matched on the nodes of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClusterMatches {
    /// The subscribers that matched, on the nodes that have answered.
    pub matched: u64,
    /// How far the event has come to them, if that was asked for. Those of nodes that have not answered are in none of the counts.
    pub delivered: Option<DeliveredCounts>,
    /// How many nodes have answered.
    pub answered: usize,
    /// How many nodes there were.
    pub expected: usize,
}

impl ClusterMatches {
    /// The counts of no node, of this number of nodes.
    #[must_use]
    pub fn of(expected: usize) -> Self {
        Self { expected, ..Self::default() }
    }

    /// Adds the answer of a node.
    pub fn add(&mut self, matched: u64, delivered: Option<DeliveredCounts>) {
        self.matched += matched;
        self.answered += 1;
        self.expected = self.expected.max(self.answered);
        if let Some(DeliveredCounts { written, ended, waiting }) = delivered {
            let all = self.delivered.get_or_insert_default();
            all.written += written;
            all.ended += ended;
            all.waiting += waiting;
        }
    }
}
