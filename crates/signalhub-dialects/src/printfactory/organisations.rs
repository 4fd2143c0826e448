//! Which organisations are connected: one connection for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use signalhub_connections::Outbound;

use super::mis_key::KeyHash;

/// The connections of all organisations.
#[derive(Debug, Default)]
pub(super) struct Organisations(Mutex<HashMap<Arc<str>, Weak<Place>>>);

/// The place of an organisation's connection. It is free again when this is dropped.
pub(super) struct Place {
    organisations: Arc<Organisations>,
    organisation: Arc<str>,
    hash: KeyHash,
    /// Set when the connection has begun.
    outbound: OnceLock<Outbound>,
    ending: OnceLock<Ending>,
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Another connection of the organisation has taken its place.
    Replaced,
    /// Its key was cancelled or regenerated.
    KeyGone,
    /// The notifications of its key were switched off.
    NotificationsOff,
}

impl Organisations {
    /// Prepares the place of an organisation, which it takes when its connection begins.
    pub(super) fn place(self: &Arc<Self>, organisation: &Arc<str>, hash: KeyHash) -> Arc<Place> {
        let (outbound, ending) = (OnceLock::new(), OnceLock::new());
        Arc::new(Place {
            organisations: Arc::clone(self),
            organisation: Arc::clone(organisation),
            hash,
            outbound,
            ending,
        })
    }

    /// Takes the place of an organisation if it is free.
    pub(super) fn reserve(self: &Arc<Self>, organisation: &Arc<str>, hash: KeyHash) -> Option<Arc<Place>> {
        let place = self.place(organisation, hash);
        let mut connected = self.lock();
        if connected.get(organisation).is_some_and(|taken| taken.strong_count() > 0) {
            drop(connected);
            return None;
        }
        connected.insert(Arc::clone(&place.organisation), Arc::downgrade(&place));
        drop(connected);
        Some(place)
    }

    /// Ends the connections of keys for which there is a reason.
    pub(super) fn end(&self, reason: impl Fn(&KeyHash) -> Option<Ending>) {
        // A place locks the table when it is dropped, so none is dropped while it is locked.
        let places: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        for place in places {
            if let Some(ending) = reason(&place.hash) {
                place.end(ending);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Weak<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Takes the place for a connection that has begun. A connection that was there ends.
    pub(super) fn take(self: &Arc<Self>, outbound: Outbound) {
        let _ = self.outbound.set(outbound);
        let replaced = self.organisations.lock().insert(Arc::clone(&self.organisation), Arc::downgrade(self));
        if let Some(replaced) =
            replaced.and_then(|replaced| replaced.upgrade()).filter(|other| !Arc::ptr_eq(self, other))
        {
            replaced.end(Ending::Replaced);
        }
    }

    /// Ends the connection; the first reason counts.
    pub(super) fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_ok()
            && let Some(outbound) = self.outbound.get()
        {
            outbound.abort();
        }
    }

    /// Why the connection is to end, if it is.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }

    pub(super) fn hash(&self) -> &KeyHash {
        &self.hash
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connected = self.organisations.lock();
        if connected.get(&self.organisation).is_some_and(|taken| std::ptr::eq(taken.as_ptr(), self)) {
            connected.remove(&self.organisation);
        }
    }
}
