//! How the handshakes of a hub ended.

use std::sync::atomic::{AtomicU64, Ordering};

use signalhub_protocol::Protocol;

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeOutcome {
    /// Client and server agreed on a protocol.
    Ok,
    /// It was malformed, or requested what the server does not support.
    Refused,
    /// It did not arrive in time.
    TimedOut,
    /// The connection ended first.
    Ended,
}

impl HandshakeOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::TimedOut, Self::Ended];

    /// A short name for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::TimedOut => "timeout",
            Self::Ended => "ended",
        }
    }
}

/// Successful handshakes by protocol, and others by outcome.
#[derive(Debug, Default)]
pub(crate) struct HandshakeCounts {
    agreed: [AtomicU64; Protocol::ALL.len()],
    others: [AtomicU64; HandshakeOutcome::ALL.len()],
}

impl HandshakeCounts {
    pub(crate) fn count_agreed(&self, protocol: Protocol) {
        self.agreed[protocol as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_failed(&self, outcome: HandshakeOutcome) {
        self.others[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many agreed on a protocol, and how many ended otherwise, without one.
    pub(crate) fn read(&self) -> Vec<(Option<Protocol>, HandshakeOutcome, u64)> {
        let agreed = Protocol::ALL.into_iter().map(|protocol| {
            (Some(protocol), HandshakeOutcome::Ok, self.agreed[protocol as usize].load(Ordering::Relaxed))
        });
        let failed = HandshakeOutcome::ALL.into_iter().filter(|outcome| *outcome != HandshakeOutcome::Ok);
        let failed = failed.map(|outcome| (None, outcome, self.others[outcome as usize].load(Ordering::Relaxed)));
        agreed.chain(failed).collect()
    }
}
