//! What writes the queued frames, and what is woken for it.

use std::sync::Arc;

use tokio::net::TcpStream;

/// What writes the queued frames.
pub(crate) enum Writer {
    /// Senders write to this socket; the connection's task writes what is left.
    Socket(Arc<TcpStream>),
    /// The connection's task alone.
    Task,
    /// An event stream, which must keep taking frames.
    Stream,
    /// Polls, or the client of a pair, which take frames when they want.
    Taker,
}

/// What has to be woken for a frame that was queued.
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
