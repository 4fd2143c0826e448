//! `Live`: the entries behind a lock, shared by the registry and by the registration of each live connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::entries::Entries;
use crate::auth::revocation::RevocationTable;
use crate::counts::ends::EndCounts;
use crate::counts::lives::Lives;

/// The entries of a registry, and the state that the end of a connection changes.
#[derive(Debug, Default)]
pub(super) struct Live {
    entries: Mutex<Entries>,
    /// Notified whenever the last live connection has ended.
    pub(super) emptied: Notify,
    pub(super) ends: EndCounts,
    pub(super) lives: Lives,
    pub(super) revocations: Arc<RevocationTable>,
}

impl Live {
    pub(super) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
