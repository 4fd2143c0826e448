//! `SharedTicket`: closes a ticket at all nodes.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

use super::owners::Claim;
use super::this_node::ThisNode;
use crate::auth::ticket::TicketHash;
use crate::id::ConnectionId;

/// A ticket that opens connections at all nodes, until it is closed.
#[derive(Debug)]
pub(crate) struct SharedTicket {
    node: Arc<ThisNode>,
    id: ConnectionId,
    /// Until when some node would let it negotiate.
    ends: Instant,
}

impl SharedTicket {
    pub(crate) fn new(node: &Arc<ThisNode>, hash: TicketHash, left: Duration) -> Self {
        let id = ConnectionId::new(URL_SAFE_NO_PAD.encode(hash.key()));
        Self { node: Arc::clone(node), id, ends: Instant::now() + ThisNode::accepted_anywhere(left) }
    }

    /// Tells whether it may still open connections. While the store is not available, it may.
    pub(crate) async fn is_open(&self) -> bool {
        let lasting = self.ends.saturating_duration_since(Instant::now());
        !matches!(self.node.owners.claim(&self.id, lasting).await, Ok(Claim::Ended))
    }

    /// Makes all nodes refuse it where it would open another connection.
    pub(crate) fn close(&self) {
        let left = self.ends.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            self.node.owners.release(&self.id, left);
        }
    }
}
