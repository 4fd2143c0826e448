//! How negotiations were answered.

use std::sync::atomic::{AtomicU64, Ordering};

/// How a negotiation was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NegotiationOutcome {
    /// With a connection.
    Ok,
    /// With a ticket, with which the client negotiates again.
    Ticket,
    /// With an error, because its version is not supported.
    Invalid,
    /// It was refused because of a limit.
    Refused,
}

impl NegotiationOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Ticket, Self::Invalid, Self::Refused];

    /// A short name for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Ticket => "ticket",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
        }
    }
}

/// Counts negotiations by their answer.
#[derive(Debug, Default)]
pub(crate) struct NegotiationCounts([AtomicU64; NegotiationOutcome::ALL.len()]);

impl NegotiationCounts {
    pub(crate) fn count(&self, outcome: NegotiationOutcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, outcome: NegotiationOutcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }
}
