//! A history that several nodes share: what the broker needs of it, and what it tells the broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Bounds, Declared, Durability, LogCounts, LogFuture, LogUnavailable, Opened, Page, ReadRange};
use crate::event::{Event, EventId};
use crate::gap::{Gap, GapReason};
use crate::idempotency::{Fingerprint, Idempotency};
use crate::name::EventName;
use crate::position::{Epoch, Position};
use crate::tracking::{DeliveredCounts, Tracking};

/// A store that the brokers of several nodes write their events to, and from which each of them reads the events of all.
///
/// The store gives the positions. A broker offers an event to its subscribers when the store brings it in with
/// [`SharedEvents::arrived`], also an event that it has published itself, so that all nodes have the events of a name in one order.
pub trait SharedLog: fmt::Debug + Send + Sync {
    /// Returns the names that have events, and begins to bring in what is published behind the positions that it returns. The broker
    /// calls it once, before all else, in a runtime.
    fn open(&self, events: SharedEvents) -> Opened;

    /// Writes an event. It takes as long as [`patience`](Self::patience) at most. An event on its way is written even if the future is dropped.
    ///
    /// # Errors
    /// When the event was not written, or when it is not known whether it was.
    fn publish(&self, publish: SharedPublish) -> LogFuture<'_, Result<SharedPublished, SharedPublishError>>;

    /// Something waits for the latest events of a name. A log that reads less often while its broker has no
    /// [receivers](SharedEvents::has_receivers) reads at once.
    fn is_awaited(&self, _name: &EventName) {}

    /// How long a publisher waits for the store.
    fn patience(&self) -> Duration;

    /// Returns which events of a name are stored, as far as this node knows; `None` if it has not read of the name. The first may be lower
    /// than it is by now.
    fn bounds(&self, name: &EventName) -> Option<Bounds>;

    /// Returns the epoch that a name without events has, and keeps with its first event unless the store has lost some: the same at all
    /// nodes, so that nothing is missing behind a position from before the first event.
    fn first_epoch(&self, name: &EventName) -> Epoch;

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

    /// Tells whether its answer to a publish says how many replicas have the event. If it does not, a publisher that asks for nothing
    /// but the position is answered as soon as the event comes back, and the future of its publish is dropped.
    fn tells_of_replicas(&self) -> bool {
        true
    }

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
    /// Whether the event is declared. A log may limit the number of undeclared names.
    pub declared: Declared,
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
    pub fn new(event: Arc<Event>, declared: Declared) -> Self {
        let (durability, reach, tracking) = (Durability::default(), Reach::default(), Tracking::default());
        Self { event, idempotency: None, declared, durability, reach, tracking }
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
    /// The event is not declared, and too many undeclared ones have names in the store. It was not published.
    #[error(
        "the event is not declared, and the cluster has no room for further undeclared events: it was not published"
    )]
    TooManyNames,
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

/// An event that a shared log brings in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Arrival {
    /// The event, with its id and its node.
    pub event: Arc<Event>,
    /// Its position: the next one of its name, unless the broker was told that it [missed](SharedEvents::missed) some.
    pub position: Position,
    /// Whether its publisher wants to know how far it comes.
    pub tracking: Tracking,
}

impl Arrival {
    /// An event that is not tracked.
    #[must_use]
    pub fn new(event: Arc<Event>, position: Position) -> Self {
        Self { event, position, tracking: Tracking::Off }
    }
}

/// What became of an event that was brought in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Arrived {
    /// How many subscribers of this node it matched.
    pub matched: usize,
    /// How far it comes to them, if its publisher wants to know.
    pub tracked: Option<TrackedWait>,
}

impl Arrived {
    /// An event that has matched this number of subscribers.
    pub(crate) fn new(matched: usize, tracked: Option<TrackedWait>) -> Self {
        Self { matched, tracked }
    }
}

/// Waits, for at most the time that it is given, until an event is written to the clients that it matched.
pub struct TrackedWait(Box<dyn FnOnce(Duration) -> LogFuture<'static, DeliveredCounts> + Send>);

impl TrackedWait {
    /// Waits with this function.
    pub(crate) fn new(wait: impl FnOnce(Duration) -> LogFuture<'static, DeliveredCounts> + Send + 'static) -> Self {
        Self(Box::new(wait))
    }

    /// Waits until the event is written to all clients or they are gone, but for at most `most`.
    pub async fn wait(self, most: Duration) -> DeliveredCounts {
        (self.0)(most).await
    }
}

impl fmt::Debug for TrackedWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrackedWait")
    }
}

/// Events of a name that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missed {
    /// The name.
    pub name: EventName,
    /// The position of the last event that was brought in.
    pub from: Position,
    /// The position behind which events are brought in from now on.
    pub now: Position,
    /// Why they are missing.
    pub reason: GapReason,
    /// What happens to clients that cannot be told.
    pub untold: Untold,
}

/// What happens to a client that has missed events and cannot be told, because it knows of no positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Untold {
    /// Nothing: it is counted.
    #[default]
    Counted,
    /// Its connection ends, and it may reconnect by itself.
    Closed,
}

impl Missed {
    /// Puts one together.
    #[must_use]
    pub const fn new(name: EventName, from: Position, now: Position, reason: GapReason) -> Self {
        Self { name, from, now, reason, untold: Untold::Counted }
    }

    /// Returns the gap as subscribers are told of it.
    #[must_use]
    pub fn gap(&self) -> Gap {
        let first = Position::new(self.now.epoch(), self.now.offset() + 1);
        Gap { from: self.from, first: Some(first), reason: self.reason }
    }
}

/// Takes what a [`SharedLog`] brings in. The log calls it for one event of a name after the other, in the order of their positions.
#[derive(Debug, Clone)]
pub struct SharedEvents(Arc<dyn TakesEvents>);

/// The broker behind [`SharedEvents`].
pub(crate) trait TakesEvents: fmt::Debug + Send + Sync {
    fn begun(&self, name: EventName, position: Position) -> Result<(), BrokerClosed>;

    fn arrived(&self, arrival: Arrival) -> LogFuture<'_, Result<Arrived, BrokerClosed>>;

    fn missed(&self, missed: Missed) -> LogFuture<'_, Result<(), BrokerClosed>>;

    fn has_receivers(&self) -> Result<bool, BrokerClosed>;

    fn declared(&self, name: &EventName) -> Result<Declared, BrokerClosed>;
}

/// The broker that took the events has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker is closed")]
pub struct BrokerClosed;

impl SharedEvents {
    pub(crate) fn new(broker: Arc<dyn TakesEvents>) -> Self {
        Self(broker)
    }

    /// Tells whether a name is declared.
    ///
    /// # Errors
    /// When the broker has ended.
    pub fn declared(&self, name: &EventName) -> Result<Declared, BrokerClosed> {
        self.0.declared(name)
    }

    /// Tells the broker of a name that had no events when the log was opened. Nothing of it is missing.
    ///
    /// # Errors
    /// When the broker has ended.
    pub fn begun(&self, name: EventName, position: Position) -> Result<(), BrokerClosed> {
        self.0.begun(name, position)
    }

    /// Offers an event to the subscribers of this node. It waits while too many events wait for their subscribers.
    ///
    /// # Errors
    /// When the broker has ended.
    pub async fn arrived(&self, arrival: Arrival) -> Result<Arrived, BrokerClosed> {
        self.0.arrived(arrival).await
    }

    /// Tells the subscribers of a name that they will not get some of its events, once they were offered all that came before.
    ///
    /// # Errors
    /// When the broker has ended.
    pub async fn missed(&self, missed: Missed) -> Result<(), BrokerClosed> {
        self.0.missed(missed).await
    }

    /// Tells whether there is a subscriber at this node, or an operator who watches the events.
    ///
    /// # Errors
    /// When the broker has ended.
    pub fn has_receivers(&self) -> Result<bool, BrokerClosed> {
        self.0.has_receivers()
    }
}
