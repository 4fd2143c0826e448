//! `Registration`: removes a connection from the registry when it is dropped.

use std::sync::Arc;

use tokio::time::Instant;

use super::entries::Entries;
use super::entry::{Link, Stage};
use super::live::Live;
use super::tickets::TicketState;
use crate::auth::identity::Identity;
use crate::auth::revocation::RevocationTable;
use crate::close::CloseReason;
use crate::id::ConnectionToken;
use crate::limits::quota::QuotaShare;

/// A live connection's entry in the registry, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(super) live: Arc<Live>,
    pub(super) token: Option<ConnectionToken>,
    pub(super) link: Link,
    pub(super) share: QuotaShare,
    pub(super) ticket: TicketState,
    pub(super) since: Instant,
}

impl Registration {
    /// Frees the token: no further request finds this connection. It still counts as live.
    pub(crate) fn free_token(&mut self) {
        let Some(token) = self.token.take() else { return };
        match &self.link {
            // The last polls still fetch what is queued.
            Link::Polls(polls) => polls.finish(),
            Link::WebSocket { .. } | Link::Events(_) => self.remove(&token),
        }
    }

    /// When the connection got its first transport.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// The credentials that the server refuses.
    pub(crate) fn revocations(&self) -> &Arc<RevocationTable> {
        &self.live.revocations
    }

    fn remove(&mut self, token: &ConnectionToken) {
        let mut entries = self.live.lock();
        let Some(mut entry) = entries.remove(token.reveal()) else { return };
        if let Stage::Suspended { .. } = entry.stage {
            entries.suspended -= 1;
            entries.given_up += 1;
        }
        if let Link::WebSocket { handover: Some(_), .. } = &self.link {
            self.share = std::mem::take(&mut entry.share);
        }
    }

    /// Records that the client has sent something: its transport works, so its ticket may not negotiate again.
    pub(crate) fn close_ticket(&mut self) {
        if self.ticket == TicketState::Open
            && let Some(token) = &self.token
        {
            self.ticket = TicketState::Closed;
            self.live.lock().close_ticket(token);
        }
    }

    /// Makes the ticket of the connection stand for new credentials of its client.
    pub(crate) fn renew_ticket(&self, identity: &Arc<Identity>) {
        if self.ticket != TicketState::NoTicket
            && let Some(token) = &self.token
        {
            self.live.lock().renew_ticket(token, identity);
        }
    }

    /// Moves the connection to `Suspended`: it has lost its transport.
    pub(crate) fn suspend(&self) {
        self.change(|entries, stage| match stage {
            Stage::Active(link) => {
                entries.suspended += 1;
                Stage::Suspended { link, since: Instant::now() }
            }
            other => other,
        });
    }

    /// Moves the connection back to `Active`: it has another transport.
    pub(crate) fn resume(&self) {
        self.change(|entries, stage| {
            entries.resumed += 1;
            match stage {
                Stage::Suspended { link, .. } => {
                    entries.suspended -= 1;
                    Stage::Active(link)
                }
                other => other,
            }
        });
    }

    /// Makes the connection end with its transport: no other one can be attached.
    pub(crate) fn disable_resume(&self) {
        self.change(|_, stage| match stage {
            Stage::Active(Link::WebSocket { send_queue, .. }) => {
                Stage::Active(Link::WebSocket { send_queue, handover: None })
            }
            other => other,
        });
    }

    fn change(&self, change: impl FnOnce(&mut Entries, Stage) -> Stage) {
        if let Some(token) = &self.token {
            self.live.lock().change(token, change);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.free_token();
        // A connection without a reason was dropped by its handler.
        let reason = self.link.send_queue().ended().unwrap_or(CloseReason::HandlerFailed);
        self.live.ends.count(reason);
        self.live.lives.end(self.link.kind(), reason, self.since.elapsed());
        let mut entries = self.live.lock();
        entries.active -= 1;
        entries.release(std::mem::take(&mut self.share));
        if entries.active == 0 {
            self.live.emptied.notify_waiters();
        }
    }
}
