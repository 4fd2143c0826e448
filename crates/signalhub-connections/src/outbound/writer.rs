//! Which part of the program writes the queued frames, and which task is woken to do so.

use crate::shared_socket::SharedSocket;
use crate::transport_kind::TransportKind;

/// The part of the program that writes the queued frames.
pub(crate) enum Writer {
    /// Senders write to this socket; the connection's task writes what is left.
    Socket(SharedSocket),
    /// The connection's task alone.
    Task,
    /// The response that carries an event stream. If it takes no frame for too long, the client counts as stalled.
    Stream,
    /// The response to a poll, or the client of a pair. They may take frames at any time.
    Poll,
}

impl Writer {
    /// The transport that it is a part of.
    pub(super) fn transport(&self) -> TransportKind {
        match self {
            Self::Socket(_) | Self::Task => TransportKind::WebSockets,
            Self::Stream => TransportKind::ServerSentEvents,
            Self::Poll => TransportKind::LongPolling,
        }
    }

    /// Tells whether the operating system may lack bytes that were taken from the queue. Event streams and polls answer for
    /// the bytes that they took.
    pub(super) fn keeps_bytes(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.keeps_bytes(),
            // Only the task knows what its stream keeps.
            Self::Task => true,
            Self::Stream | Self::Poll => false,
        }
    }
}

/// Which task has to be woken after frames were queued.
#[derive(Clone, Copy)]
pub(super) enum QueueChange {
    None,
    /// The connection's task writes them.
    ForTask,
    /// The task of the poll or event stream takes them.
    ForResponse,
}

impl QueueChange {
    pub(super) fn or(self, other: Self) -> Self {
        if let Self::None = self { other } else { self }
    }
}
