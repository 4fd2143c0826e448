//! Whether a connection is on its way to its end.
//!
//! ```text
//!          the server stops
//!   Open ───────────────────▶ Draining { since }      no call starts; running calls have the grace period
//!    │
//!    │     the transport ends
//!    └──────────────────────▶ TransportEnded(reason)  the messages that were received before are still handled
//! ```
//!
//! A session can end in each of these states.

use std::time::Duration;

use signalhub_connections::CloseReason;
use tokio::time::Instant;

/// Whether a connection is on its way to its end.
#[derive(Clone, Copy)]
pub(super) enum Life {
    Open,
    /// The server stops: no call starts, and running calls may end within the grace period.
    Draining {
        since: Instant,
    },
    /// The transport has ended; the messages that were received before are still handled.
    TransportEnded(CloseReason),
}

impl Life {
    pub(super) fn is_draining(self) -> bool {
        matches!(self, Self::Draining { .. })
    }

    /// How much of the grace period is left; `None` unless the server stops.
    pub(super) fn grace_left(self, now: Instant, grace: Duration) -> Option<Duration> {
        match self {
            Self::Draining { since } => Some(grace.saturating_sub(now.duration_since(since))),
            Self::Open | Self::TransportEnded(_) => None,
        }
    }
}
