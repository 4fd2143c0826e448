//! The place of a live connection, which is given back however the connection ends.

use std::sync::Arc;

use super::{Link, Registry, Stage};
use crate::CloseReason;
use crate::id::ConnectionToken;
use crate::limits::Charge;

/// A live connection's place in the registry, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) registry: Arc<Registry>,
    pub(super) token: Option<ConnectionToken>,
    pub(super) link: Link,
    pub(super) charge: Charge,
}

impl Seat {
    /// Frees the token: nobody can ask for this connection any more. It still counts as live.
    pub(crate) fn free_token(&mut self) {
        let Some(token) = self.token.take() else { return };
        match &self.link {
            // What is left is fetched by the last polls.
            Link::Polls(polls) => polls.finish(),
            Link::WebSocket { .. } | Link::Events(_) => self.vacate(&token),
        }
    }

    fn vacate(&mut self, token: &ConnectionToken) {
        let mut slots = self.registry.lock();
        let Some(mut slot) = slots.by_token.remove(token) else { return };
        if let Stage::Suspended { .. } = slot.stage {
            slots.suspended -= 1;
            slots.returns.given_up += 1;
        }
        if let Link::WebSocket { handover: Some(_), .. } = &self.link {
            self.charge = std::mem::take(&mut slot.charge);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.free_token();
        // A connection without a reason was dropped by whoever ran it.
        self.registry.ends.count(self.link.lane().ended().unwrap_or(CloseReason::HandlerFailed));
        let mut slots = self.registry.lock();
        slots.active -= 1;
        slots.by_party.release(std::mem::take(&mut self.charge));
        if slots.active == 0 {
            self.registry.emptied.notify_waiters();
        }
    }
}
