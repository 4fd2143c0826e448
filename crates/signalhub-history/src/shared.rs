//! What the thread that writes shares with the tasks that append and read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::Connection;
use signalhub_events::{Bounds, Declared, EventName, LogCounts, Position, Reset};
use time::OffsetDateTime;

use crate::directory::Directory;
use crate::load::Runs;
use crate::names::Names;
use crate::options::DiskOptions;
use crate::queue::Queue;
use crate::store::Costs;

/// What the thread that writes shares with the tasks that append and read.
pub(crate) struct Shared {
    pub(crate) options: DiskOptions,
    pub(crate) directory: Directory,
    pub(crate) queue: Queue,
    /// Connections that only read, for the next reads.
    readers: Mutex<Vec<Connection>>,
    /// Called when all names have new epochs.
    pub(crate) reset: OnceLock<Reset>,
    state: Mutex<State>,
    failed: AtomicBool,
}

/// What is stored, and what it cost.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) names: Names,
    pub(crate) runs: Runs,
    costs: Costs,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { options, directory: _, queue, readers: _, reset: _, state: _, failed } = self;
        f.debug_struct("Shared")
            .field("options", options)
            .field("queue", queue)
            .field("failed", failed)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(options: DiskOptions, names: Names, runs: Runs) -> Self {
        Self {
            directory: Directory::new(&options.directory),
            queue: Queue::new(options.queue),
            readers: Mutex::default(),
            reset: OnceLock::new(),
            state: Mutex::new(State { names, runs, costs: Costs::default() }),
            failed: AtomicBool::new(false),
            options,
        }
    }

    /// Locks what is stored, for a moment: tasks wait for it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the connections that only read, for a moment.
    pub(crate) fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the file cannot be written now.
    pub(crate) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn set_failed(&self, failed: bool) {
        self.failed.store(failed, Ordering::Release);
    }

    /// Returns the latest position of a name; one that is not known gets a history, if the limit permits it.
    pub(crate) fn admit(&self, name: &EventName, declared: Declared) -> Option<Position> {
        let mut state = self.state();
        let names = &mut state.names;
        if let Some(index) = names.index(name) {
            if declared == Declared::Yes {
                names.declare(index);
            }
            return Some(names.at(index).position());
        }
        if !self.may_create(names, declared) {
            names.count_unrecorded();
            return None;
        }
        let index = names.create(name.clone(), declared, self.options.limits_of(name));
        Some(names.at(index).position())
    }

    /// Returns which events of a name are stored, or those that it will begin with, if it may get a history.
    pub(crate) fn bounds(&self, name: &EventName, declared: Declared) -> Option<Bounds> {
        let names = &self.state().names;
        match names.get(name) {
            Some(name) => Some(name.bounds()),
            None => self.may_create(names, declared).then(|| names.first_bounds(name)),
        }
    }

    fn may_create(&self, names: &Names, declared: Declared) -> bool {
        declared == Declared::Yes || names.not_declared() < self.options.names
    }

    pub(crate) fn counts(&self) -> LogCounts {
        let state = self.state();
        let Costs { commits, syncs, written_bytes, commit_seconds, sync_seconds } = state.costs;
        let mut counts = LogCounts::default();
        counts.kept = state.names.counts();
        (counts.commits, counts.syncs, counts.written_bytes) = (commits, syncs, written_bytes);
        (counts.commit_seconds, counts.sync_seconds) = (commit_seconds, sync_seconds);
        (counts.queue, counts.failed) = (self.queue.len() as u64, self.is_failed());
        counts
    }
}

impl State {
    /// Adds what transactions, syncs and checkpoints cost.
    pub(crate) fn add_costs(&mut self, costs: &Costs) {
        self.costs.add(costs);
    }
}

/// The wall clock, in milliseconds of Unix time.
pub(crate) fn wall_clock() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
