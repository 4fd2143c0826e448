//! The handover: passes the next transport from its request to the connection's task.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::identity::Renewal;
use crate::outbound::SendQueue;
use crate::outbound::signals::Signal;
use crate::request::remote_address::RemoteAddress;
use crate::transport::Transport;

/// Where the next transport of a connection waits for it.
pub(crate) struct Handover {
    /// How long the connection waits for a transport when it has none.
    disconnect_timeout: Duration,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    /// The credentials of the request for the transport. They arrive before the transport does.
    renewal: Option<Renewal>,
    arrival: Option<Arrival>,
}

/// A new transport, and the address of its client.
pub(crate) struct Arrival {
    pub(crate) transport: Transport,
    pub(crate) remote: Option<RemoteAddress>,
}

impl Handover {
    pub(crate) fn new(disconnect_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { disconnect_timeout, pending: Mutex::default() })
    }

    pub(crate) fn disconnect_timeout(&self) -> Duration {
        self.disconnect_timeout
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on the credentials of the request for a transport. They take effect before the transport arrives, and before
    /// the client gets the answer.
    pub(crate) fn renew(&self, renewal: Renewal, send_queue: &SendQueue) {
        let replaced = self.lock().renewal.replace(renewal);
        send_queue.signals.raise(Signal::Renewed);
        drop(replaced);
    }

    /// Passes on a transport. If another one still waits, it is dropped.
    pub(crate) fn bring(&self, arrival: Arrival, send_queue: &SendQueue) {
        let replaced = self.lock().arrival.replace(arrival);
        send_queue.signals.raise(Signal::Arrived);
        drop(replaced);
    }

    pub(crate) fn take_renewal(&self) -> Option<Renewal> {
        self.lock().renewal.take()
    }

    pub(crate) fn take_arrival(&self) -> Option<Arrival> {
        self.lock().arrival.take()
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("disconnect_timeout", &self.disconnect_timeout).finish_non_exhaustive()
    }
}
