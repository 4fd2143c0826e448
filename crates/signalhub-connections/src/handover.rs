//! How a connection that has lost its transport, or is about to, gets the next one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::connection::Transport;
use crate::outbound::Lane;
use crate::signals::Signal;
use crate::{Identity, RemoteAddress};

/// Where the next transport of a connection waits for it; and whose may be one.
pub(crate) struct Handover {
    owner: Arc<Identity>,
    /// How long the connection waits for a transport when it has none.
    patience: Duration,
    arrival: Mutex<Option<Arrival>>,
}

/// A new transport, and what its request said.
pub(crate) struct Arrival {
    pub(crate) transport: Transport,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) remote: Option<RemoteAddress>,
}

impl Handover {
    pub(crate) fn new(owner: Arc<Identity>, patience: Duration) -> Arc<Self> {
        Arc::new(Self { owner, patience, arrival: Mutex::default() })
    }

    /// Tells whether a transport of this identity may take the connection over. Whoever knows the token but is somebody
    /// else may not.
    pub(crate) fn admits(&self, identity: &Identity) -> bool {
        self.owner.user == identity.user && self.owner.organisation == identity.organisation
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Brings a transport; one that still waits here is dropped for it.
    pub(crate) fn bring(&self, arrival: Arrival, lane: &Lane) {
        let replaced = self.arrival.lock().unwrap_or_else(PoisonError::into_inner).replace(arrival);
        lane.signals.raise(Signal::Arrived);
        drop(replaced);
    }

    pub(crate) fn take(&self) -> Option<Arrival> {
        self.arrival.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("patience", &self.patience).finish_non_exhaustive()
    }
}
