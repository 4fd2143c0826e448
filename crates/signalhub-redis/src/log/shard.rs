//! The names on one server, as far as this node reads them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signalhub_connections::{LogThrottle, Rate};
use signalhub_events::{Declared, EventName, SharedEvents};
use tokio::time::Instant;

use super::fork::{Cursor, Seen};
use super::pause::Pause;
use super::streams::{StreamError, StreamReader, Streams};

/// How often it is logged that names are skipped.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The names on one server.
pub(super) struct Shard {
    pub(super) streams: Arc<dyn Streams>,
    /// What identifies the data of the server. It is the first epoch of each of its names.
    pub(super) dataset: AtomicU64,
    names: Mutex<BTreeMap<EventName, NameState>>,
    /// How many of the names are not declared.
    pub(super) undeclared: AtomicUsize,
    pub(super) pause: Pause,
    skipped: AtomicU64,
    skipped_errors: LogThrottle,
}

/// What this node knows of a name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NameState {
    /// How far it has read, and given to the broker.
    pub(super) cursor: Cursor,
    /// The offset of the first event that was kept at the last check.
    pub(super) first: Option<u64>,
    /// When a publish has last compared the event at the cursor.
    pub(super) compared: Option<Instant>,
    /// Something else was in the place of its events when this node started, so it is not known which of them came before.
    pub(super) has_unknown_past: bool,
}

impl NameState {
    /// Stands at the latest event that a first look has found, by what a second one has found there. `None` if the name has not begun.
    pub(super) fn start(top: Result<Seen, StreamError>, seen: Result<Seen, StreamError>) -> Option<Self> {
        let (Ok(top), Ok(seen)) = (top, seen) else {
            return Some(Self { has_unknown_past: true, ..Self::default() });
        };
        let has_begun = seen.epoch.is_some() || seen.first.is_some();
        let cursor = Cursor::start(&top, &seen);
        has_begun.then_some(Self { cursor, first: seen.first, compared: None, has_unknown_past: false })
    }
}

/// Why a name in Redis is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Skipped {
    #[error("there are too many undeclared names (history.names)")]
    TooMany,
    #[error(transparent)]
    Unreadable(#[from] StreamError),
}

impl Shard {
    pub(super) fn new(streams: Arc<dyn Streams>) -> Self {
        let (dataset, names, undeclared) = (AtomicU64::default(), Mutex::default(), AtomicUsize::default());
        let (pause, skipped) = (Pause::default(), AtomicU64::default());
        let skipped_errors = LogThrottle::with_rate(Rate::new(1, LOG_INTERVAL), Instant::now());
        Self { streams, dataset, names, undeclared, pause, skipped, skipped_errors }
    }

    /// Asks the server what identifies its data.
    pub(super) async fn read_dataset(&self, reader: &mut dyn StreamReader) -> Result<(), StreamError> {
        self.dataset.store(reader.dataset().await?.get(), Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<EventName, NameState>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a name that is not there.
    pub(super) fn insert(&self, names: &mut BTreeMap<EventName, NameState>, name: EventName, declared: Declared) {
        if declared == Declared::No {
            self.undeclared.fetch_add(1, Ordering::Relaxed);
        }
        names.insert(name, NameState::default());
    }

    /// Removes a name that has not begun.
    pub(super) fn remove(&self, name: &EventName, events: &SharedEvents) {
        if self.lock().remove(name).is_some() && events.declared(name) == Ok(Declared::No) {
            self.undeclared.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Keeps what a check has found of a name. Tells whether its past was not known until now.
    pub(super) fn looked_at(&self, name: &EventName, seen: &Seen) -> bool {
        let mut names = self.lock();
        let Some(state) = names.get_mut(name) else { return false };
        (state.first, state.compared) = (Some(seen.first.unwrap_or(seen.top + 1)), None);
        std::mem::take(&mut state.has_unknown_past)
    }

    /// Counts the names that are not declared, and removes those beyond `most`.
    pub(super) fn count_undeclared(
        &self,
        names: &mut BTreeMap<EventName, NameState>,
        most: usize,
        events: &SharedEvents,
    ) {
        names.retain(|name, _| {
            if events.declared(name) != Ok(Declared::No) {
                return true;
            }
            let is_kept = self.undeclared.load(Ordering::Relaxed) < most;
            if is_kept {
                self.undeclared.fetch_add(1, Ordering::Relaxed);
            }
            is_kept
        });
    }

    /// How many names in Redis are not read, since all of them were looked at last.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Begins to count the names that are not read.
    pub(super) fn look_at_all(&self) {
        self.skipped.store(0, Ordering::Relaxed);
    }

    /// Counts a name that is not read, and logs one of them from time to time.
    pub(super) fn skip(&self, name: &EventName, error: &Skipped) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        if self.skipped_errors.admit(Instant::now()).is_some() {
            tracing::error!(
                event = %name, %error,
                "names in Redis are not read, and clients of this node get none of their events: declare the events that are yours, and remove what others have written"
            );
        }
    }
}
