//! Which organisations are connected: one connection for each.

mod claims;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use signalhub_connections::{BoxFuture, Outbound};

pub(super) use self::claims::Answer;
use self::claims::{Claim, Claims};
pub use self::claims::{ClaimNumber, ClaimsUnavailable, OrganisationClaim, OrganisationClaims};
use super::mis_key::KeyHash;

/// What happens when an organisation that is connected connects once more. It has one connection at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondConnection {
    /// The new connection replaces the old one, which is closed with 4409.
    #[default]
    Replace,
    /// The new connection is refused with 409.
    Refuse,
}

/// The connections of all organisations.
#[derive(Debug, Default)]
pub(super) struct Organisations {
    connected: Mutex<HashMap<Arc<str>, Weak<Place>>>,
    /// What the other nodes of a cluster are told.
    claims: OnceLock<Arc<Claims>>,
}

/// The place of an organisation's connection. It is free again when this is dropped.
pub(super) struct Place {
    organisations: Arc<Organisations>,
    organisation: Arc<str>,
    hash: KeyHash,
    /// Set when the connection has begun.
    outbound: OnceLock<Outbound>,
    ending: OnceLock<Ending>,
    /// What the other nodes of a cluster are told of it.
    claim: Option<Box<Claim>>,
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Another connection of the organisation has taken its place.
    Replaced,
    /// A connection at another node of the cluster, which it was not known of when this one was accepted, stays in its place.
    Refused,
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
            claim: self.claims.get().map(|claims| claims.begin()),
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
        for place in self.places() {
            if let Some(ending) = reason(&place.hash) {
                place.end(ending);
            }
        }
    }

    /// Shares the connections with the other nodes of a cluster, once. Must be called in a runtime.
    pub(super) fn share(self: &Arc<Self>, store: Arc<dyn OrganisationClaims>, second: SecondConnection) {
        let claims = Arc::new(Claims::new(store, second));
        if self.claims.set(Arc::clone(&claims)).is_ok() {
            tokio::spawn(claims::run(claims, Arc::downgrade(self)));
        }
    }

    /// Asks the other nodes of the cluster, if there is one, whether a connection may take its place.
    pub(super) fn ask(self: &Arc<Self>, place: &Arc<Place>) -> Option<BoxFuture<Answer>> {
        self.claims.get()?.ask(place)
    }

    /// Tells whether a place is that of its organisation.
    fn has(&self, place: &Arc<Place>) -> bool {
        self.lock().get(&place.organisation).is_some_and(|taken| std::ptr::eq(taken.as_ptr(), Arc::as_ptr(place)))
    }

    /// The places that are taken. A place locks the table when it is dropped, so none must be dropped while it is locked.
    fn places(&self) -> Vec<Arc<Place>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Weak<Place>>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
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
        if let Some(claims) = self.organisations.claims.get() {
            claims.make_soon(self);
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
        drop(connected);
        if let (Some(claims), Some(claim)) = (self.organisations.claims.get(), &self.claim) {
            claims.release(&self.organisation, claim);
        }
    }
}
