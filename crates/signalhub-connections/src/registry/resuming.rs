//! Connections that outlive their transports: suspended, resumed, given up.

use std::sync::Arc;

use tokio::time::Instant;

use super::{AttachError, Link, Registry, Seat, Slot, Slots, Stage};
use crate::limits::{Limit, Party};
use crate::outbound::Lane;
use crate::transport::handover::Handover;

/// What became of the connections that lost their transports.
#[derive(Debug, Default)]
pub(super) struct Returns {
    pub(super) resumed: u64,
    pub(super) given_up: u64,
}

/// A connection that a new transport may take over.
pub(crate) struct Resumable {
    pub(crate) lane: Arc<Lane>,
    pub(crate) handover: Arc<Handover>,
}

impl Registry {
    /// Finds the connection that a new WebSocket is to take over; `None` if the token's is none that can be resumed.
    ///
    /// Anybody but its owner finds nothing, and the connection waits on.
    pub(crate) fn resume(&self, token: &str, party: &Party) -> Option<Result<Resumable, AttachError>> {
        let mut slots = self.lock();
        let Slots { by_token, by_party, limits, .. } = &mut *slots;
        let Slot { stage, charge, .. } = by_token.get_mut(token).filter(|slot| slot.owner == party.owner)?;
        let Link::WebSocket { lane, handover: Some(handover) } = stage.link()? else { return None };
        if lane.is_ending() {
            let suspended = matches!(stage, Stage::Suspended { .. });
            return Some(Err(if suspended { AttachError::Unknown } else { AttachError::AlreadyAttached }));
        }
        if let Err(spent) = by_party.recharge(charge, party, limits.shares()) {
            return Some(Err(Limit::of_connections(spent).into()));
        }
        Some(Ok(Resumable { lane: Arc::clone(lane), handover: Arc::clone(handover) }))
    }

    /// Counts the connections that wait for another transport.
    pub(crate) fn suspended(&self) -> usize {
        self.lock().suspended
    }

    /// Counts the takeovers by new transports so far.
    pub(crate) fn resumed(&self) -> u64 {
        self.lock().returns.resumed
    }

    /// Counts the connections that ended so far while they waited for another transport.
    pub(crate) fn given_up(&self) -> u64 {
        self.lock().returns.given_up
    }
}

impl Seat {
    /// Notes that the connection has lost its transport.
    pub(crate) fn suspend(&self) {
        self.change(|slots, stage| match stage {
            Stage::Active(link) => {
                slots.suspended += 1;
                Stage::Suspended { link, since: Instant::now() }
            }
            other => other,
        });
    }

    /// Notes that the connection has another transport.
    pub(crate) fn resume(&self) {
        self.change(|slots, stage| {
            slots.returns.resumed += 1;
            match stage {
                Stage::Suspended { link, .. } => {
                    slots.suspended -= 1;
                    Stage::Active(link)
                }
                other => other,
            }
        });
    }

    /// Notes that the connection will end with its transport.
    pub(crate) fn forgo_resuming(&self) {
        self.change(|_, stage| match stage {
            Stage::Active(Link::WebSocket { lane, .. }) => Stage::Active(Link::WebSocket { lane, handover: None }),
            other => other,
        });
    }

    fn change(&self, change: impl FnOnce(&mut Slots, Stage) -> Stage) {
        let Some(token) = &self.token else { return };
        let mut slots = self.registry.lock();
        let Some((token, slot)) = slots.by_token.remove_entry(token) else { return };
        let stage = change(&mut slots, slot.stage);
        slots.by_token.insert(token, Slot { stage, ..slot });
    }
}
