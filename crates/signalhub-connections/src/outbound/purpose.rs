//! What frames that are sent count as, and what becomes of them.

use tokio::time::Instant;

use crate::close::CloseReason;
use crate::counts::traffic::DeliveryOutcome;

/// What a frame that is sent counts as.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// Nothing: an answer, a ping, a message of the application.
    Message,
    /// A delivery of an event.
    Delivery {
        /// When the publish of the event was accepted.
        accepted: Instant,
    },
}

/// What became of frames that were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The socket has taken them.
    Written,
    /// Some of them are queued.
    Queued,
}

impl Purpose {
    pub(super) fn is_delivery(self) -> bool {
        matches!(self, Self::Delivery { .. })
    }

    /// How many deliveries it is.
    pub(super) fn deliveries(self) -> u64 {
        self.is_delivery().into()
    }
}

impl DeliveryOutcome {
    /// What became of deliveries to a connection that ended for this reason before they were written.
    pub(super) fn of_end(reason: Option<CloseReason>) -> Self {
        match reason {
            Some(CloseReason::SlowConsumer) => Self::RefusedSlow,
            Some(CloseReason::CredentialsExpired) => Self::Expired,
            _ => Self::Gone,
        }
    }
}
