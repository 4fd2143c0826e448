//! Where the broker keeps the events that it has published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::log::{Bounds, Declared, History, Log, Opened, Recent, Reset};
use crate::name::EventName;
use crate::position::{Epoch, Position};

/// The history of a broker.
#[derive(Debug)]
pub(super) enum Kept {
    /// No event is kept.
    Nothing,
    /// The latest are kept in memory. The lock is taken last.
    Memory(Mutex<Recent>),
    /// A store keeps them. The latest are in memory as well; that lock is taken last.
    Log { log: Arc<dyn Log>, tail: Mutex<Recent> },
}

impl Kept {
    pub(super) fn new(history: History) -> Self {
        match history {
            History::Off => Self::Nothing,
            History::Memory(limits) => Self::Memory(Mutex::new(Recent::new(limits))),
            History::Log(log) => Self::Log { log, tail: Mutex::new(Recent::tail()) },
        }
    }

    /// Opens the store, if there is one.
    pub(super) fn open(&self, reset: Reset) -> Opened {
        match self {
            Self::Log { log, .. } => log.open(reset),
            Self::Nothing | Self::Memory(_) => Opened::empty(),
        }
    }

    /// The store, if there is one.
    pub(super) fn log(&self) -> Option<&Arc<dyn Log>> {
        match self {
            Self::Log { log, .. } => Some(log),
            Self::Nothing | Self::Memory(_) => None,
        }
    }

    /// The events that are in memory.
    pub(super) fn recent(&self) -> Option<MutexGuard<'_, Recent>> {
        match self {
            Self::Nothing => None,
            Self::Memory(recent) | Self::Log { tail: recent, .. } => {
                Some(recent.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }

    /// Which events of a name are kept, and the offset of its latest event. `latest` is the position that was offered last.
    pub(super) fn bounds(
        &self,
        name: &EventName,
        run: Epoch,
        latest: Option<Position>,
        declared: impl FnOnce() -> Declared,
    ) -> Option<Bounds> {
        match self {
            Self::Nothing => None,
            Self::Memory(_) => {
                let (first, top) = self.recent()?.bounds(name, declared, Instant::now())?;
                Some(Bounds { epoch: run, first: Some(first), top })
            }
            // The store may have events already that were not offered yet.
            Self::Log { log, .. } => log.bounds(name, declared()).map(|bounds| match latest {
                Some(latest) => Bounds { epoch: latest.epoch(), top: latest.offset(), ..bounds },
                None => Bounds { top: 0, ..bounds },
            }),
        }
    }
}
