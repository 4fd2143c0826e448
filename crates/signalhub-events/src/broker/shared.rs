//! What a broker keeps beside a [`SharedLog`]: its latest events, and the publishers that wait for theirs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::tracked::Tracked;
use crate::event::EventId;
use crate::log::{Recent, SharedLog};
use crate::position::Position;
use crate::tracking::Tracking;

/// The shared log of a broker, and the publishers that wait until their events come back from it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) log: Arc<dyn SharedLog>,
    /// The latest events are in memory as well. The lock is taken last.
    tail: Mutex<Recent>,
    expected: Mutex<HashMap<EventId, Expected>>,
    pub(super) missed: MissedCounters,
}

/// A publisher that waits for its event.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) accepted: Instant,
    pub(super) tracking: Tracking,
    pub(super) tell: oneshot::Sender<OwnArrival>,
}

/// An event of this node that has come back.
#[derive(Debug)]
pub(super) struct OwnArrival {
    pub(super) position: Position,
    pub(super) matched: usize,
    pub(super) tracked: Option<Tracked>,
}

#[derive(Debug, Default)]
pub(super) struct MissedCounters {
    pub(super) gaps: AtomicU64,
    pub(super) told: AtomicU64,
    pub(super) untold: AtomicU64,
}

/// What a broker has missed of the events of other nodes, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MissedCounts {
    /// How often events of a name could not be read any more.
    pub gaps: u64,
    /// How many subscribers were told.
    pub told: u64,
    /// How many subscribers could not be told.
    pub untold: u64,
}

impl Shared {
    pub(super) fn new(log: Arc<dyn SharedLog>) -> Self {
        let (expected, missed) = (Mutex::default(), MissedCounters::default());
        Self { log, tail: Mutex::new(Recent::tail()), expected, missed }
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Recent> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn missed_counts(&self) -> MissedCounts {
        let MissedCounters { gaps, told, untold } = &self.missed;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        MissedCounts { gaps: load(gaps), told: load(told), untold: load(untold) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the publisher that waits for an event.
    pub(super) fn take(&self, id: EventId) -> Option<Expected> {
        self.lock().remove(&id)
    }

    /// Waits for an event until the result is dropped.
    pub(super) fn expect(&self, id: EventId, tracking: Tracking) -> Expecting<'_> {
        let (tell, told) = oneshot::channel();
        self.lock().insert(id, Expected { accepted: Instant::now(), tracking, tell });
        Expecting { shared: self, id, told }
    }
}

/// Waits for one event to come back.
pub(super) struct Expecting<'a> {
    shared: &'a Shared,
    id: EventId,
    pub(super) told: oneshot::Receiver<OwnArrival>,
}

impl Drop for Expecting<'_> {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.id);
    }
}
