//! The lives of connections: how many each transport has, and how long they were.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signalhub_counters::{CONNECTIONS, Histogram, Observed};

use crate::close::CloseReason;
use crate::transport_kind::TransportKind;

/// How a connection ended, as OpenTelemetry's conventions tell it (`signalr.connection.status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// For any other reason.
    NormalClosure,
    /// Its client was silent, or did not read, for too long.
    Timeout,
    /// The server stopped.
    AppShutdown,
}

impl ConnectionStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NormalClosure, Self::Timeout, Self::AppShutdown];

    /// The name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::NormalClosure => "normal_closure",
            Self::Timeout => "timeout",
            Self::AppShutdown => "app_shutdown",
        }
    }

    fn of(reason: CloseReason) -> Self {
        match reason {
            CloseReason::ServerShutdown => Self::AppShutdown,
            CloseReason::ClientTimeout | CloseReason::HandshakeTimeout | CloseReason::SlowConsumer => Self::Timeout,
            _ => Self::NormalClosure,
        }
    }
}

/// The lives of the connections of a server.
#[derive(Debug)]
pub(crate) struct Lives {
    active: [AtomicUsize; TransportKind::ALL.len()],
    durations: [[Histogram<{ CONNECTIONS.len() }>; ConnectionStatus::ALL.len()]; TransportKind::ALL.len()],
}

impl Default for Lives {
    fn default() -> Self {
        let durations = TransportKind::ALL.map(|_| ConnectionStatus::ALL.map(|_| Histogram::new(&CONNECTIONS)));
        Self { active: Default::default(), durations }
    }
}

impl Lives {
    /// Counts a connection that has got its transport.
    pub(crate) fn begin(&self, kind: TransportKind) {
        self.active[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of a connection that lived for this time.
    pub(crate) fn end(&self, kind: TransportKind, reason: CloseReason, lived: Duration) {
        self.active[kind as usize].fetch_sub(1, Ordering::Relaxed);
        self.durations[kind as usize][ConnectionStatus::of(reason) as usize].observe(lived);
    }

    pub(crate) fn active(&self, kind: TransportKind) -> usize {
        self.active[kind as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn durations(&self, kind: TransportKind, status: ConnectionStatus) -> Observed {
        self.durations[kind as usize][status as usize].observed()
    }
}
