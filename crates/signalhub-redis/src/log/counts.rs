//! What a log on Redis counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use signalhub_events::{Durations, HistoryCounts};

/// What a log on Redis counts, since the start of its node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RedisLogCounts {
    /// The events that were read, those of this node too.
    pub read_events: u64,
    /// How often this node has found that Redis came back with another past of a name, or that another node has found it.
    pub forks: u64,
    /// How often events of a name could not be read any more.
    pub gaps: u64,
    /// How long publishes took.
    pub publish: Durations,
    /// How often a publish was tried again.
    pub publish_retries: u64,
    /// How long after their creation events were read.
    pub lag: Durations,
    /// How many names there are.
    pub names: usize,
    /// How many further names in Redis are not read, because there are too many, or something else is in the place of their events.
    pub skipped_names: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    read_events: AtomicU64,
    forks: AtomicU64,
    gaps: AtomicU64,
    retries: AtomicU64,
    pub(super) trimmed: TrimmedCounts,
    publish: Mutex<Durations>,
    lag: Mutex<Durations>,
}

/// The events that were removed, by limit.
#[derive(Debug, Default)]
pub(super) struct TrimmedCounts {
    age: AtomicU64,
    bytes: AtomicU64,
    total: AtomicU64,
}

impl TrimmedCounts {
    pub(super) fn by_age(&self, events: u64) {
        self.age.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn by_bytes(&self, events: u64) {
        self.bytes.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn by_total(&self, events: u64) {
        self.total.fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn add_to(&self, counts: &mut HistoryCounts) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        counts.trimmed_by_age = load(&self.age);
        counts.trimmed_by_bytes = load(&self.bytes);
        counts.trimmed_by_total = load(&self.total);
    }
}

impl Counts {
    pub(super) fn read_event(&self, lag: Duration) {
        self.read_events.fetch_add(1, Ordering::Relaxed);
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).record(lag);
    }

    pub(super) fn published(&self, duration: Duration) {
        self.publish.lock().unwrap_or_else(PoisonError::into_inner).record(duration);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fork(&self) {
        self.forks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, names: usize, skipped_names: u64) -> RedisLogCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let durations = |durations: &Mutex<Durations>| *durations.lock().unwrap_or_else(PoisonError::into_inner);
        RedisLogCounts {
            read_events: load(&self.read_events),
            forks: load(&self.forks),
            gaps: load(&self.gaps),
            publish: durations(&self.publish),
            publish_retries: load(&self.retries),
            lag: durations(&self.lag),
            names,
            skipped_names,
        }
    }
}
