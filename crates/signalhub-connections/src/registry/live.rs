//! What live connections and the registry share: the entries behind a lock, and a notification when all have ended.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::entries::Entries;
use crate::counts::ends::EndCounts;

/// The entries of a registry, and what changes when a connection ends.
#[derive(Debug, Default)]
pub(super) struct Live {
    entries: Mutex<Entries>,
    /// Notified whenever the last live connection has ended.
    pub(super) emptied: Notify,
    pub(super) ends: EndCounts,
}

impl Live {
    pub(super) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
