//! The phases of a server: serving, leaving, draining; and what asks a running server to do something.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// The phase of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    #[default]
    Serving,
    /// It serves, and reports that it is not ready for new connections.
    Leaving,
    /// It finishes what has begun and accepts nothing new.
    Draining,
}

/// Shares the phase between the parts of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifecycle(Arc<watch::Sender<Phase>>);

impl Lifecycle {
    /// The phase at this moment.
    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Enters a phase, unless a later one has begun.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let is_later = phase > *current;
            *current = phase.max(*current);
            is_later
        });
    }

    /// Waits until the server drains.
    pub(crate) async fn draining(&self) {
        // It owns the sender, so this ends with the phase alone.
        drop(self.0.subscribe().wait_for(|phase| *phase == Phase::Draining).await);
    }
}

/// Makes a running server refuse new connections and close the live ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrainRequest(Arc<Notify>);

impl DrainRequest {
    /// Begins it. It cannot be ended.
    pub(crate) fn send(&self) {
        self.0.notify_one();
    }

    /// Waits until it is sent.
    pub(crate) async fn received(&self) {
        self.0.notified().await;
    }
}

/// Makes a running server read certificates and keys again at once.
#[derive(Clone, Debug, Default)]
pub struct ReloadRequest(Arc<Notify>);

impl ReloadRequest {
    /// Reads them.
    pub fn send(&self) {
        self.0.notify_one();
    }

    /// Waits until it is sent.
    pub(crate) async fn received(&self) {
        self.0.notified().await;
    }
}
