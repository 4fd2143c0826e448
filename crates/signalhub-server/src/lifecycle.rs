//! How far a server is on its way to its end.

use std::sync::Arc;

use tokio::sync::watch;

/// How far a server is on its way to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    #[default]
    Serving,
    /// It serves, and says that it will not for long.
    Leaving,
    /// It ends what has begun and takes nothing new.
    Draining,
}

/// The phase that all parts of a server look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifecycle(Arc<watch::Sender<Phase>>);

impl Lifecycle {
    /// The phase at this moment.
    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Enters a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.send_replace(phase);
    }
}
