//! Who writes what is queued, and who is woken for it.

use std::sync::Arc;

use tokio::net::TcpStream;

/// Who moves what is queued.
pub(crate) enum Writer {
    /// Whoever sends writes to this socket; the connection's task writes what is left.
    Socket(Arc<TcpStream>),
    /// The connection's task alone.
    Task,
    /// A response that goes on: it must keep taking.
    Stream,
    /// Somebody takes it now and then: a poll, or a test.
    Taker,
}

/// Who has to be woken for a frame that was queued.
#[derive(Clone, Copy)]
pub(super) enum QueueChange {
    None,
    ForTask,
    ForTaker,
}

impl QueueChange {
    pub(super) fn or(self, other: Self) -> Self {
        if let Self::None = self { other } else { self }
    }
}
