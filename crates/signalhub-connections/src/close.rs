//! Why a connection ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the last messages may take to reach a client before a server that stops ends its connection: a round trip
/// and a retransmission.
pub(crate) const ARRIVAL_TIME: Duration = Duration::from_secs(1);

/// Why a connection ended. This is a fact about a connection, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The handler is done: after a Close message, a failed handshake or an abort.
    Finished,
    /// The client closed its transport in order.
    ClientClosed,
    /// The transport broke without a word.
    ClientGone,
    /// The client's bytes violated the rules of the transport.
    ProtocolViolation,
    /// A text message of the client was no UTF-8.
    InvalidText,
    /// The client did not read fast enough: its queue overflowed, or nothing could be written for too long.
    SlowConsumer,
    /// The application ended the connection.
    Aborted,
    /// The handler failed.
    HandlerFailed,
    /// The server stops.
    ServerShutdown,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Finished,
        Self::ClientClosed,
        Self::ClientGone,
        Self::ProtocolViolation,
        Self::InvalidText,
        Self::SlowConsumer,
        Self::Aborted,
        Self::HandlerFailed,
        Self::ServerShutdown,
    ];

    /// The status code of the WebSocket close frame (RFC 6455, section 7.4).
    ///
    /// The original closes with 1000 after every orderly end, and with 1011 when the application failed. 1001 is sent only
    /// where a server that stops has no socket to [reset](crate::Connection::send_away).
    pub fn code(self) -> u16 {
        match self {
            Self::Finished | Self::ClientClosed | Self::ClientGone | Self::Aborted | Self::SlowConsumer => 1000,
            Self::ServerShutdown => 1001,
            Self::ProtocolViolation => 1002,
            Self::InvalidText => 1007,
            Self::HandlerFailed => 1011,
        }
    }

    /// A short name for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ClientClosed => "client_closed",
            Self::ClientGone => "client_gone",
            Self::ProtocolViolation => "protocol_violation",
            Self::InvalidText => "invalid_text",
            Self::SlowConsumer => "slow_consumer",
            Self::Aborted => "aborted",
            Self::HandlerFailed => "handler_failed",
            Self::ServerShutdown => "server_shutdown",
        }
    }
}

/// The running count of connections that ended, by their reasons.
#[derive(Debug, Default)]
pub(crate) struct EndCounts([AtomicU64; CloseReason::ALL.len()]);

impl EndCounts {
    pub(crate) fn count(&self, reason: CloseReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_of_its_own() {
        let counts = EndCounts::default();
        for reason in CloseReason::ALL {
            counts.count(reason);
            assert_eq!(CloseReason::ALL.map(|reason| counts.of(reason)).iter().sum::<u64>(), 1 + reason as u64);
            assert_eq!(counts.of(reason), 1, "{reason:?}");
        }
    }
}
