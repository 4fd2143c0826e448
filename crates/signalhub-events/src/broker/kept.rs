//! Where the broker keeps the events that it has published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::shared::Shared;
use crate::log::{
    Bounds, Declared, History, Log, LogCounts, LogUnavailable, Opened, Page, ReadRange, Recent, Reset, SharedEvents,
    SharedLog,
};
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
    /// A store that other nodes use too keeps them.
    Shared(Box<Shared>),
}

/// The store of a broker.
#[derive(Debug, Clone, Copy)]
pub(super) enum Store<'a> {
    Own(&'a dyn Log),
    Shared(&'a dyn SharedLog),
}

impl Store<'_> {
    pub(super) async fn read(self, range: ReadRange) -> Result<Page, LogUnavailable> {
        match self {
            Self::Own(log) => log.read(range).await,
            Self::Shared(log) => log.read(range).await,
        }
    }

    pub(super) fn counts(self) -> LogCounts {
        match self {
            Self::Own(log) => log.counts(),
            Self::Shared(log) => log.counts(),
        }
    }

    pub(super) fn is_durable(self) -> bool {
        match self {
            Self::Own(log) => log.is_durable(),
            Self::Shared(log) => log.is_durable(),
        }
    }
}

impl Kept {
    pub(super) fn new(history: History) -> Self {
        match history {
            History::Off => Self::Nothing,
            History::Memory(limits) => Self::Memory(Mutex::new(Recent::new(limits))),
            History::Log(log) => Self::Log { log, tail: Mutex::new(Recent::tail()) },
            History::Shared(log) => Self::Shared(Box::new(Shared::new(log))),
        }
    }

    /// Opens the store, if there is one.
    pub(super) fn open(&self, reset: Reset, events: SharedEvents) -> Opened {
        match self {
            Self::Shared(shared) => shared.log.open(events),
            Self::Log { log, .. } => log.open(reset),
            Self::Nothing | Self::Memory(_) => Opened::empty(),
        }
    }

    /// The store that other nodes use too, if there is one.
    pub(super) fn shared(&self) -> Option<&Shared> {
        match self {
            Self::Shared(shared) => Some(shared),
            Self::Nothing | Self::Memory(_) | Self::Log { .. } => None,
        }
    }

    /// The store, if there is one.
    pub(super) fn store(&self) -> Option<Store<'_>> {
        match self {
            Self::Log { log, .. } => Some(Store::Own(&**log)),
            Self::Shared(shared) => Some(Store::Shared(&*shared.log)),
            Self::Nothing | Self::Memory(_) => None,
        }
    }

    /// The events that are in memory.
    pub(super) fn recent(&self) -> Option<MutexGuard<'_, Recent>> {
        match self {
            Self::Nothing => None,
            Self::Shared(shared) => Some(shared.tail()),
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
            Self::Shared(shared) => Some(match latest {
                Some(latest) => {
                    let first = shared.log.bounds(name).and_then(|bounds| bounds.first).unwrap_or(1);
                    Bounds { epoch: latest.epoch(), first: Some(first), top: latest.offset() }
                }
                // It begins with its first event, at any node. Until then nothing of it is missing.
                None => Bounds { epoch: shared.log.first_epoch(name), first: Some(1), top: 0 },
            }),
            // The store may have events already that were not offered yet.
            Self::Log { log, .. } => log.bounds(name, declared()).map(|bounds| match latest {
                Some(latest) => Bounds { epoch: latest.epoch(), top: latest.offset(), ..bounds },
                None => Bounds { top: 0, ..bounds },
            }),
        }
    }
}
