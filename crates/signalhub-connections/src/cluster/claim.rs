//! `ConnectionClaim`: this node owns a connection, until the claim is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::this_node::ThisNode;
use super::token::ConnectionKey;
use crate::id::ConnectionId;

/// The claim of a connection of this node. It is released when it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionClaim {
    node: Arc<ThisNode>,
    id: ConnectionId,
    key: ConnectionKey,
    /// Until when some node would accept the token of the connection.
    token_ends: Instant,
    stage: Stage,
    is_pending: bool,
}

/// Whether the store of the cluster has the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    Yes,
    /// It was not available.
    NotYet,
}

/// What the claim is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The connection has no transport yet.
    Unused,
    /// No further request can come for the connection: it is a WebSocket that cannot be resumed.
    Alone,
    /// Further requests may reach other nodes.
    Shared,
}

impl ConnectionClaim {
    /// The claim of a connection whose token can be used for this time at most.
    pub(crate) fn new(
        node: &Arc<ThisNode>,
        (id, key): (ConnectionId, ConnectionKey),
        token_time: Duration,
        claimed: Claimed,
    ) -> Self {
        let is_pending = claimed == Claimed::NotYet;
        node.counts.0.add_claim(is_pending);
        let token_ends = Instant::now() + token_time;
        Self { node: Arc::clone(node), id, key, token_ends, stage: Stage::Unused, is_pending }
    }

    /// The connection has its transport, and no further request can come for it.
    pub(crate) fn used_alone(&mut self) {
        self.stage = Stage::Alone;
    }

    /// The connection has its transport, and further requests can come for it.
    pub(crate) fn used_with_others(&mut self) {
        self.stage = Stage::Shared;
    }

    /// The id under which the claim must be renewed, if it must.
    pub(crate) fn to_renew(&self) -> Option<&ConnectionId> {
        (self.stage == Stage::Shared || self.is_pending).then_some(&self.id)
    }

    /// The store has the claim.
    pub(crate) fn renewed(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.node.counts.0.claim_made();
        }
    }
}

impl Drop for ConnectionClaim {
    fn drop(&mut self) {
        self.node.counts.0.remove_claim(self.is_pending);
        let now = Instant::now();
        let left = self.token_ends.saturating_duration_since(now);
        match self.stage {
            // The client may try again at any node.
            Stage::Unused => self.node.owners.release(&self.id, Duration::ZERO),
            // The claim was not renewed, so the store drops it by itself.
            Stage::Alone if left.is_zero() => {}
            Stage::Alone | Stage::Shared => {
                if !left.is_zero() {
                    self.node.use_up(self.key, self.token_ends, now);
                }
                self.node.owners.release(&self.id, left);
            }
        }
    }
}
