//! What a transport can bring to its connection.

use crate::close::CloseReason;
use crate::websocket_codec::MessageKind;

/// What [`Connection::receive`](crate::Connection::receive) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// The input has grown.
    Bytes,
    /// The input is one whole message, on a connection that [reads messages](crate::Connection::read_messages).
    Message {
        /// Whether the client sent it as text or as binary.
        kind: MessageKind,
    },
    /// The client has answered a [ping](crate::Connection::send_ping), on a connection that
    /// [reads messages](crate::Connection::read_messages).
    Pong,
    /// A second has passed: time to look at pings and timeouts. Some can be [spared](crate::Connection::spare_ticks).
    Tick,
    /// The server stops: finish what runs, and close with [`CloseReason::ServerShutdown`].
    Drain,
    /// The application wants the connection to end, by [`Outbound::abort`](crate::Outbound::abort).
    Aborted,
    /// The credentials have expired, on an endpoint that closes then.
    Expired,
    /// The client has brought new credentials: the [identity](crate::Connection::identity) is another one, of the same user and
    /// organisation.
    Renewed,
    /// There is a new transport, on a [resumable](crate::Connection::is_resumable) connection. What came in over the old one and was
    /// not consumed is gone, for the client says it again. Nothing is written before [`Outbound::resume`](crate::Outbound::resume).
    Reconnected,
    /// The transport has ended, or somebody ended the connection.
    Ended(CloseReason),
}

/// Why a connection cannot [read messages](crate::Connection::read_messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadMessagesError {
    /// Event streams and polls have no message boundaries: POSTs bring a stream of bytes.
    #[error("the transport has no message boundaries")]
    NoBoundaries,
    /// A part of a message was read already, or POSTs brought bytes before the WebSocket.
    #[error("bytes were received that are not a whole message")]
    PartOfMessage,
}
