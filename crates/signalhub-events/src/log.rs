//! The history of events: what is kept of each name, and how it is read.

mod external;
mod recent;
mod shared;

use std::sync::Arc;

use crate::event::Event;
use crate::position::{Epoch, Position};
pub use external::{
    Append, Durability, Durations, Log, LogCounts, LogFuture, LogUnavailable, Opened, ReadRange, Reset,
};
pub use recent::Declared;
pub(crate) use recent::{Expired, Recent};
pub use recent::{HistoryLimits, NameLimits};
pub(crate) use shared::TakesEvents;
pub use shared::{
    Arrival, Arrived, BrokerClosed, ClusterMatches, ClusterPublished, Missed, Reach, SharedEvents, SharedLog,
    SharedPublish, SharedPublishError, SharedPublished, TrackedWait, Untold,
};

/// Where the events of a broker are kept after they were offered to their subscribers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum History {
    /// They are not kept.
    #[default]
    Off,
    /// The latest of each name are kept in memory, within these limits. They are lost when the process ends.
    Memory(HistoryLimits),
    /// A store keeps them. Each event is written before it is offered to a subscriber.
    Log(Arc<dyn Log>),
    /// A store that several nodes share keeps them. Each event is offered when it comes back from the store.
    Shared(Arc<dyn SharedLog>),
}

/// Which events of a name are kept at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The epoch of all positions of the name.
    pub epoch: Epoch,
    /// The lowest offset from which on every event is kept, one more than `top` if none is kept. `None`: the name has no history.
    pub first: Option<u64>,
    /// The offset of the latest event that was published; 0 before the first one.
    pub top: u64,
}

impl Bounds {
    /// Returns the position of the latest event.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::new(self.epoch, self.top)
    }
}

/// Some events of a name, in the order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The events with their offsets. Events that had expired when they were published are left out.
    pub events: Vec<(u64, Arc<Event>)>,
    /// The lowest offset from which on every event was kept when the page was read.
    pub first: u64,
    /// Every event up to this offset, and above the one that was asked for, is in the page.
    pub through: u64,
}

impl Page {
    /// A page without events, of a name that has none behind this offset.
    pub(crate) fn empty(after: u64) -> Self {
        Self { events: Vec::new(), first: after.saturating_add(1), through: after }
    }
}

/// How many events of a history are kept, and why others are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HistoryCounts {
    /// The events that are kept now.
    pub events: u64,
    /// The bytes that they take, with what each of them needs beside its content.
    pub bytes: u64,
    /// The names that have a history.
    pub names: u64,
    /// The events that were removed because of [`NameLimits::events`].
    pub trimmed_by_events: u64,
    /// The events that were removed because of [`NameLimits::bytes`].
    pub trimmed_by_bytes: u64,
    /// The events that were removed because of [`NameLimits::age`].
    pub trimmed_by_age: u64,
    /// The events that were removed because of [`HistoryLimits::total_bytes`].
    pub trimmed_by_total: u64,
    /// The events that were published without a history because of [`HistoryLimits::names`].
    pub unrecorded: u64,
}
