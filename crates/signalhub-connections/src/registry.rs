//! All connections of a server: the negotiated ones that wait for a transport, and the live ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::id::ConnectionToken;
use crate::outbound::Lane;
use crate::signals::Signal;
use crate::{ConnectionId, TransportKind};

/// How long a negotiated connection may wait for its transport (the original's `DisconnectTimeout`).
const WAITING_LIFETIME: Duration = Duration::from_secs(15);

/// The original looks at all connections once a second; timers of connections are as fine as that.
const TICK: Duration = Duration::from_secs(1);

/// Knows every connection of one server by its token.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<Slots>,
    /// Woken whenever the last live connection has gone.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    by_token: HashMap<ConnectionToken, Slot>,
    active: usize,
    draining: bool,
}

#[derive(Debug)]
struct Slot {
    id: ConnectionId,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Waiting { since: Instant },
    Active { transport: TransportKind, lane: Arc<Lane> },
}

/// Why a transport could not be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    Unknown,
    OtherTransport,
    AlreadyAttached,
    Draining,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the one tick a second; it ends with the registry.
    pub(crate) fn start_ticking(self: &Arc<Self>) {
        let registry = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                interval.tick().await;
                let Some(registry) = Weak::upgrade(&registry) else {
                    return;
                };
                registry.tick(Instant::now());
            }
        });
    }

    fn tick(&self, now: Instant) {
        let mut slots = self.lock();
        slots.by_token.retain(|_, slot| match &slot.stage {
            Stage::Waiting { since } => now.duration_since(*since) <= WAITING_LIFETIME,
            Stage::Active { lane, .. } => {
                lane.signals.raise(Signal::Tick);
                true
            }
        });
    }

    /// Adds a connection that waits for its transport.
    pub(crate) fn negotiate(&self, token: ConnectionToken, id: ConnectionId) {
        let slot = Slot { id, stage: Stage::Waiting { since: Instant::now() } };
        self.lock().by_token.insert(token, slot);
    }

    /// Tells whether `attach` would find the connection, without attaching.
    pub(crate) fn check(&self, token: &str, transport: TransportKind) -> Result<(), AttachError> {
        let slots = self.lock();
        match &slots.by_token.get(token).ok_or(AttachError::Unknown)?.stage {
            Stage::Waiting { .. } => Ok(()),
            Stage::Active { transport: bound, .. } if *bound == transport => Err(AttachError::AlreadyAttached),
            Stage::Active { .. } => Err(AttachError::OtherTransport),
        }
    }

    /// Tells which transport a connection uses, if it has one yet.
    pub(crate) fn transport(&self, token: &str) -> Result<Option<TransportKind>, AttachError> {
        match &self.lock().by_token.get(token).ok_or(AttachError::Unknown)?.stage {
            Stage::Waiting { .. } => Ok(None),
            Stage::Active { transport, .. } => Ok(Some(*transport)),
        }
    }

    /// Attaches a transport to a negotiated connection.
    pub(crate) fn attach(
        self: &Arc<Self>,
        token: &str,
        transport: TransportKind,
        lane: &Arc<Lane>,
    ) -> Result<(ConnectionId, Seat), AttachError> {
        let mut slots = self.lock();
        if slots.draining {
            return Err(AttachError::Draining);
        }
        let (token, _) = slots.by_token.get_key_value(token).ok_or(AttachError::Unknown)?;
        let token = token.clone();
        let slot = slots.by_token.get_mut(&token).ok_or(AttachError::Unknown)?;
        match &slot.stage {
            Stage::Waiting { .. } => slot.stage = Stage::Active { transport, lane: Arc::clone(lane) },
            Stage::Active { transport: bound, .. } if *bound == transport => return Err(AttachError::AlreadyAttached),
            Stage::Active { .. } => return Err(AttachError::OtherTransport),
        }
        let id = slot.id.clone();
        slots.active += 1;
        Ok((id, Seat { registry: Arc::clone(self), token }))
    }

    /// Adds a connection that comes without negotiation; its id is its token, as under negotiate version 0.
    pub(crate) fn admit(
        self: &Arc<Self>,
        transport: TransportKind,
        lane: &Arc<Lane>,
    ) -> Result<(ConnectionId, Seat), AttachError> {
        let id = ConnectionId::random();
        let token = ConnectionToken::same_as(&id);
        let mut slots = self.lock();
        if slots.draining {
            return Err(AttachError::Draining);
        }
        let stage = Stage::Active { transport, lane: Arc::clone(lane) };
        slots.by_token.insert(token.clone(), Slot { id: id.clone(), stage });
        slots.active += 1;
        Ok((id, Seat { registry: Arc::clone(self), token }))
    }

    /// Counts the connections that have a transport.
    pub(crate) fn active(&self) -> usize {
        self.lock().active
    }

    /// Counts the negotiated connections that wait for one.
    pub(crate) fn waiting(&self) -> usize {
        let slots = self.lock();
        slots.by_token.len() - slots.active
    }

    /// Takes no new connections and tells the live ones to say goodbye.
    pub(crate) fn drain(&self) {
        let mut slots = self.lock();
        slots.draining = true;
        slots.by_token.retain(|_, slot| match &slot.stage {
            Stage::Waiting { .. } => false,
            Stage::Active { lane, .. } => {
                lane.signals.raise(Signal::Drain);
                true
            }
        });
    }

    /// Waits until no connection is live.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.active() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// A live connection's place in the registry, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    registry: Arc<Registry>,
    token: ConnectionToken,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut slots = self.registry.lock();
        if slots.by_token.remove(&self.token).is_some() {
            slots.active -= 1;
        }
        if slots.active == 0 {
            self.registry.emptied.notify_waiters();
        }
    }
}
