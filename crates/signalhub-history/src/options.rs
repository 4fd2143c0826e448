//! Where the history lies, and how much of it is kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use signalhub_events::{EventName, NameLimits};

/// Where a history lies on disk, how much is kept, and when it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskOptions {
    /// The directory of `history.sqlite`. It is created if it is missing; its parent must exist.
    pub directory: PathBuf,
    /// How much is kept of each name that has no limits of its own. A name may exceed them by a tenth before events are removed. Default:
    /// 10 000 events, 16 MiB, 24 hours.
    pub limits: NameLimits,
    /// The limits of some names.
    pub overrides: HashMap<EventName, NameLimits>,
    /// How many bytes the events of all names may take in the file; the oldest are removed first. Default: 1 GiB.
    pub maximum_bytes: u64,
    /// How long a written event may wait until it is durable. Zero: each event is durable before any subscriber is offered it. Default:
    /// one second.
    pub sync_interval: Duration,
    /// How many events may wait to be written before publishers wait, at least one. Default: 4 096.
    pub queue: usize,
    /// How many undeclared names have a history. Default: 1 024.
    pub names: usize,
    /// How many pages are read at the same time, at least one. Default: 64.
    pub replays: usize,
    /// How long an idempotency key is remembered. The row of its event stays in the file as long. Default: ten minutes.
    pub idempotency_window: Duration,
    /// How many idempotency keys are returned at open, the latest ones. Default: 100 000.
    pub idempotency_keys: usize,
    /// How long the writer waits before it opens a file anew that it could not write. Five seconds; tests give less.
    #[doc(hidden)]
    pub retry_interval: Duration,
    /// The file with the identifier of the machine's run; tests give another one.
    #[doc(hidden)]
    pub boot_id: PathBuf,
}

impl DiskOptions {
    /// The defaults, for a history in this directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            limits: NameLimits { events: 10_000, bytes: 16 << 20, age: Duration::from_secs(24 * 60 * 60) },
            overrides: HashMap::new(),
            maximum_bytes: 1 << 30,
            sync_interval: Duration::from_secs(1),
            queue: 4_096,
            names: 1_024,
            replays: 64,
            idempotency_window: Duration::from_secs(10 * 60),
            idempotency_keys: 100_000,
            retry_interval: Duration::from_secs(5),
            boot_id: PathBuf::from("/proc/sys/kernel/random/boot_id"),
        }
    }

    /// The limits of a name.
    pub(crate) fn limits_of(&self, name: &EventName) -> NameLimits {
        *self.overrides.get(name).unwrap_or(&self.limits)
    }
}
