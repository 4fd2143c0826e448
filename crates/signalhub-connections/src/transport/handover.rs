//! The handover: passes the next transport from its request to the connection's task.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::outbound::SendQueue;
use crate::outbound::signals::Signal;
use crate::request::remote_address::RemoteAddress;
use crate::transport::Transport;

/// Where the next transport of a connection waits for it.
pub(crate) struct Handover {
    /// How long the connection waits for a transport when it has none.
    disconnect_timeout: Duration,
    arrival: Mutex<Option<Arrival>>,
}

/// A new transport, and the address of its client.
pub(crate) struct Arrival {
    pub(crate) transport: Transport,
    pub(crate) remote: Option<RemoteAddress>,
}

impl Handover {
    pub(crate) fn new(disconnect_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { disconnect_timeout, arrival: Mutex::default() })
    }

    pub(crate) fn disconnect_timeout(&self) -> Duration {
        self.disconnect_timeout
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arrival>> {
        self.arrival.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on a transport. If another one still waits, it is dropped.
    pub(crate) fn bring(&self, arrival: Arrival, send_queue: &SendQueue) {
        let replaced = self.lock().replace(arrival);
        send_queue.signals.raise(Signal::Arrived);
        drop(replaced);
    }

    pub(crate) fn take_arrival(&self) -> Option<Arrival> {
        self.lock().take()
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("disconnect_timeout", &self.disconnect_timeout).finish_non_exhaustive()
    }
}
