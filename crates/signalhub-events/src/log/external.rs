//! A history that outlives the process: what the broker needs of a store, and what it tells the store.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Bounds, Declared, Page};
use crate::event::Event;
use crate::idempotency::{Idempotency, StoredPublish};
use crate::name::EventName;
use crate::position::Position;

/// What a store returns where it waits.
pub type LogFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A store of events that the broker writes each event to before any subscriber is offered it.
///
/// An event is *written* when a crash of the process cannot lose it, and *durable* when a crash of the machine cannot either. The store
/// gives the positions: the events of a name have consecutive offsets, and no offset of an epoch is given twice. When it cannot know
/// whether it has lost events that were written, it begins a new epoch for every name. No two names have the same epoch.
///
/// The broker calls it from the tasks of a runtime, so only what returns a [`LogFuture`] may wait. Its last owner may be what it calls
/// on a thread of its own.
pub trait Log: fmt::Debug + Send + Sync {
    /// Returns what is stored. The broker calls it once, before all else.
    ///
    /// Later, the store calls `reset` when it begins new epochs, between the outcomes of the appends before and behind that.
    fn open(&self, reset: Reset) -> Opened;

    /// Returns the position of the latest written event of a name, if the name has a history. A name that has none yet gets one, at
    /// offset 0, unless it is not declared and there are too many of these.
    fn admit(&self, name: &EventName, declared: Declared) -> Option<Position>;

    /// Takes an event, which gets the next offset of its name. The name was [admitted](Self::admit).
    ///
    /// It waits while too much waits to be written. When the future completes with `Ok`, the store will call [`Append::done`] once, in
    /// the order of the offsets; dropping the future earlier means that the event was not taken.
    ///
    /// # Errors
    /// When nothing can be written now. The event was not taken.
    fn append(&self, append: Append) -> LogFuture<'_, Result<(), LogUnavailable>>;

    /// Returns which events of a name are stored; `None` if the name has no history and would get none. A name that would get one
    /// has the bounds that it will begin with, also if the process ends before its first event.
    fn bounds(&self, name: &EventName, declared: Declared) -> Option<Bounds>;

    /// Reads events of a name, of any organisation.
    ///
    /// # Errors
    /// When nothing can be read now.
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

/// Takes the position of the latest stored event of each name, when all of them have begun new epochs.
pub type Reset = Box<dyn Fn(Vec<(EventName, Position)>) + Send + Sync>;

/// What is stored when a broker starts.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Opened {
    /// The names with a history, and the position of the latest event of each.
    pub names: Vec<(EventName, Position)>,
    /// The publishes with idempotency keys that are still remembered, the oldest first.
    pub publishes: Vec<StoredPublish>,
}

impl Opened {
    /// What an empty store has.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }
}

/// An event on its way into a store.
#[non_exhaustive]
pub struct Append {
    /// The event. Its id and its node are set.
    pub event: Arc<Event>,
    /// What a repeat of the publish is recognised by. It is stored together with the event.
    pub idempotency: Option<Idempotency>,
    /// When the publisher wants to be told.
    pub durability: Durability,
    /// Takes the position when the event is written, and durable if that is asked for; or the error if it was not stored. It may be called
    /// on any thread, and is quick.
    pub done: Box<dyn FnOnce(Result<Position, LogUnavailable>) + Send>,
}

impl Append {
    /// Puts an append together.
    #[must_use]
    pub fn new(
        event: Arc<Event>,
        idempotency: Option<Idempotency>,
        durability: Durability,
        done: impl FnOnce(Result<Position, LogUnavailable>) + Send + 'static,
    ) -> Self {
        Self { event, idempotency, durability, done: Box::new(done) }
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, idempotency, durability, done: _ } = self;
        let mut append = f.debug_struct("Append");
        append.field("event", event).field("idempotency", idempotency).field("durability", durability);
        append.finish_non_exhaustive()
    }
}

/// What must be true of an event before its publisher is told that it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// A crash of the process cannot lose it.
    #[default]
    Written,
    /// A crash of the machine cannot lose it either.
    Durable,
}

/// Which events of a name are read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRange {
    /// The name.
    pub name: EventName,
    /// Those behind this offset,
    pub after: u64,
    /// up to this one, and
    pub through: u64,
    /// at most this number of them.
    pub most: usize,
}

impl ReadRange {
    /// Reads at most `most` events behind the offset `after`, up to the offset `through`.
    #[must_use]
    pub const fn new(name: EventName, after: u64, through: u64, most: usize) -> Self {
        Self { name, after, through, most }
    }
}

/// The store cannot be written or read now. Its log line has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the history is not available")]
pub struct LogUnavailable;

/// What a store counts. Those of its process: they begin at zero when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LogCounts {
    /// What is stored, and what was removed.
    pub kept: super::HistoryCounts,
    /// The transactions.
    pub commits: u64,
    /// How often it waited until the disk had everything.
    pub syncs: u64,
    /// The bytes that it gave to the operating system.
    pub written_bytes: u64,
    /// The durations of the transactions.
    pub commit_seconds: Durations,
    /// How long the syncs took.
    pub sync_seconds: Durations,
    /// The events that wait to be written.
    pub queue: u64,
    /// Whether it cannot be written now.
    pub failed: bool,
}

/// A histogram of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations {
    /// How many durations were at most as long as the bound of the same place in [`Self::BOUNDS`]; each is counted once, and those that
    /// are longer than all bounds are in the last place.
    pub counts: [u64; Self::BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Durations {
    /// The bounds of the histogram.
    pub const BOUNDS: [Duration; 13] = {
        let micros = Duration::from_micros;
        [
            micros(50),
            micros(100),
            micros(250),
            micros(500),
            micros(1_000),
            micros(2_500),
            micros(5_000),
            micros(10_000),
            micros(25_000),
            micros(50_000),
            micros(100_000),
            micros(250_000),
            micros(1_000_000),
        ]
    };

    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        self.counts[Self::BOUNDS.partition_point(|bound| *bound < duration)] += 1;
        self.sum += duration;
    }
}
