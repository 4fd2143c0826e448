//! The place of a live connection, which is given back however the connection ends.

use std::sync::Arc;

use super::{Link, Registry, Stage};
use crate::CloseReason;
use crate::id::ConnectionToken;
use crate::limits::QuotaShare;

/// A live connection's place in the registry, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(super) registry: Arc<Registry>,
    pub(super) token: Option<ConnectionToken>,
    pub(super) link: Link,
    pub(super) share: QuotaShare,
}

impl Registration {
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
        let mut entries = self.registry.lock();
        let Some(mut entry) = entries.by_token.remove(token) else { return };
        if let Stage::Suspended { .. } = entry.stage {
            entries.suspended -= 1;
            entries.returns.given_up += 1;
        }
        if let Link::WebSocket { handover: Some(_), .. } = &self.link {
            self.share = std::mem::take(&mut entry.share);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.free_token();
        // A connection without a reason was dropped by whoever ran it.
        self.registry.ends.count(self.link.send_queue().ended().unwrap_or(CloseReason::HandlerFailed));
        let mut entries = self.registry.lock();
        entries.active -= 1;
        entries.quotas.release(std::mem::take(&mut self.share));
        if entries.active == 0 {
            self.registry.emptied.notify_waiters();
        }
    }
}
