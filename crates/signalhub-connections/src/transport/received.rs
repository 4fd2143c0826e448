//! The events that `Connection::receive` returns to the handler.

use crate::close::CloseReason;
use crate::websocket_codec::MessageKind;

/// An event of a connection, as [`Connection::receive`](crate::Connection::receive) returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// Bytes were appended to the [input](crate::Connection::input).
    Bytes,
    /// The input is one whole message, on a connection that [reads messages](crate::Connection::read_messages).
    Message {
        /// Whether the client sent it as text or as binary.
        kind: MessageKind,
    },
    /// The client has answered a [ping](crate::Connection::send_ping), on a connection that
    /// [reads messages](crate::Connection::read_messages).
    Pong,
    /// A second has passed. Handlers check pings and timeouts now. Ticks can be
    /// [skipped](crate::Connection::skip_ticks_for).
    Tick,
    /// The server stops. The handler finishes what runs, and closes the connection with [`CloseReason::ServerShutdown`].
    Drain,
    /// The application has called [`Outbound::abort`](crate::Outbound::abort), or has
    /// [revoked](crate::Revocations::revoke) the credentials of the client; or an operator
    /// [ends](crate::Connection::dismissal) the connection.
    Aborted,
    /// The credentials have expired, and the endpoint closes connections then
    /// ([`ExpiredCredentials::Close`](crate::ExpiredCredentials::Close)).
    Expired,
    /// A later request of the client had new credentials: the [identity](crate::Connection::identity) has changed, except
    /// for its user and organisation.
    Renewed,
    /// A [resumable](crate::Connection::is_resumable) connection has a new transport. Unconsumed input of the old one is
    /// dropped, because the client sends it again. Nothing is written before [`Outbound::resume`](crate::Outbound::resume).
    Reconnected,
    /// The transport or the connection has ended.
    Ended(CloseReason),
}

/// Why a connection cannot [read messages](crate::Connection::read_messages).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadMessagesError {
    /// Event streams and polls have no message boundaries: POSTs are a stream of bytes.
    #[error("the transport has no message boundaries")]
    NoBoundaries,
    /// A part of a message was already read, or POSTs sent bytes before the WebSocket was opened.
    #[error("bytes were received that are not a whole message")]
    PartOfMessage,
}
