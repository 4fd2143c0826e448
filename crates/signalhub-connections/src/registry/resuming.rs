//! Connections that outlive their transports: suspended, resumed, given up.

use std::sync::Arc;

use tokio::time::Instant;

use super::{AttachError, Entries, Entry, Link, Registration, Registry, Stage};
use crate::limits::{Limit, QuotaKey};
use crate::outbound::SendQueue;
use crate::transport::handover::Handover;

/// What became of the connections that lost their transports.
#[derive(Debug, Default)]
pub(super) struct Returns {
    pub(super) resumed: u64,
    pub(super) given_up: u64,
}

/// A connection that a new transport may take over.
pub(crate) struct Resumable {
    pub(crate) send_queue: Arc<SendQueue>,
    pub(crate) handover: Arc<Handover>,
}

impl Registry {
    /// Finds the connection that a new WebSocket is to take over; `None` if the token's is none that can be resumed.
    ///
    /// Anybody but its owner finds nothing, and the connection waits on.
    pub(crate) fn resume(&self, token: &str, quota_key: &QuotaKey) -> Option<Result<Resumable, AttachError>> {
        let mut entries = self.lock();
        let Entries { by_token, quotas, limits, .. } = &mut *entries;
        let Entry { stage, share, .. } = by_token.get_mut(token).filter(|entry| entry.owner == quota_key.owner)?;
        let Link::WebSocket { send_queue, handover: Some(handover) } = stage.link()? else { return None };
        if send_queue.is_ending() {
            let suspended = matches!(stage, Stage::Suspended { .. });
            return Some(Err(if suspended { AttachError::Unknown } else { AttachError::AlreadyAttached }));
        }
        if let Err(exceeded) = quotas.retake(share, quota_key, limits.quota_limits()) {
            return Some(Err(Limit::of_connections(exceeded).into()));
        }
        Some(Ok(Resumable { send_queue: Arc::clone(send_queue), handover: Arc::clone(handover) }))
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

impl Registration {
    /// Notes that the connection has lost its transport.
    pub(crate) fn suspend(&self) {
        self.change(|entries, stage| match stage {
            Stage::Active(link) => {
                entries.suspended += 1;
                Stage::Suspended { link, since: Instant::now() }
            }
            other => other,
        });
    }

    /// Notes that the connection has another transport.
    pub(crate) fn resume(&self) {
        self.change(|entries, stage| {
            entries.returns.resumed += 1;
            match stage {
                Stage::Suspended { link, .. } => {
                    entries.suspended -= 1;
                    Stage::Active(link)
                }
                other => other,
            }
        });
    }

    /// Notes that the connection will end with its transport.
    pub(crate) fn disable_resume(&self) {
        self.change(|_, stage| match stage {
            Stage::Active(Link::WebSocket { send_queue, .. }) => {
                Stage::Active(Link::WebSocket { send_queue, handover: None })
            }
            other => other,
        });
    }

    fn change(&self, change: impl FnOnce(&mut Entries, Stage) -> Stage) {
        let Some(token) = &self.token else { return };
        let mut entries = self.registry.lock();
        let Some((token, entry)) = entries.by_token.remove_entry(token) else { return };
        let stage = change(&mut entries, entry.stage);
        entries.by_token.insert(token, Entry { stage, ..entry });
    }
}
