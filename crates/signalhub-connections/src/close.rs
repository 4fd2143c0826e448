//! Why a connection ended, and the codes and reasons of close frames.

pub(crate) mod close_frame;
pub(crate) mod dismissal;

use std::time::Duration;

/// How long a server that stops waits for the last messages to arrive before it ends a connection: time for a round trip
/// and a retransmission.
pub(crate) const ARRIVAL_TIME: Duration = Duration::from_secs(1);

/// Why a connection ended, for metrics, logs and close codes. Most reasons are not errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The handler has finished without an error.
    Finished,
    /// The client closed its transport, or sent a message that ends the connection.
    ClientClosed,
    /// The transport was lost without a close.
    ClientGone,
    /// The client's bytes violated the rules of the transport.
    ProtocolViolation,
    /// A text message of the client was not UTF-8.
    InvalidText,
    /// The client did not read fast enough: its queue overflowed, or nothing could be written for too long.
    SlowConsumer,
    /// The application ended the connection, or revoked the credentials of its client.
    Aborted,
    /// The handler failed.
    HandlerFailed,
    /// The server stops.
    ServerShutdown,
    /// The handshake was malformed, or requested a protocol that the server does not support.
    HandshakeRefused,
    /// No complete handshake arrived in time.
    HandshakeTimeout,
    /// The application refused the connection.
    Refused,
    /// A message of the client was longer than allowed.
    MessageTooLong,
    /// A message of the client was malformed, or not allowed at this point.
    InvalidMessage,
    /// The client sent nothing for too long.
    ClientTimeout,
    /// The credentials of the client have expired.
    CredentialsExpired,
    /// A result of the application cannot be sent.
    UnsendableResult,
    /// An operator ended the connection: [`LiveConnection::dismiss`](crate::LiveConnection::dismiss).
    Dismissed,
}

impl CloseReason {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Finished,
        Self::ClientClosed,
        Self::ClientGone,
        Self::ProtocolViolation,
        Self::InvalidText,
        Self::SlowConsumer,
        Self::Aborted,
        Self::HandlerFailed,
        Self::ServerShutdown,
        Self::HandshakeRefused,
        Self::HandshakeTimeout,
        Self::Refused,
        Self::MessageTooLong,
        Self::InvalidMessage,
        Self::ClientTimeout,
        Self::CredentialsExpired,
        Self::UnsendableResult,
        Self::Dismissed,
    ];

    /// The status code of the WebSocket close frame that [`Connection::close`](crate::Connection::close) sends (RFC 6455,
    /// section 7.4). Handlers of other dialects choose theirs with
    /// [`Connection::close_with`](crate::Connection::close_with).
    ///
    /// The original closes with 1000 after every orderly end and after every Close message, and with 1011 when the
    /// application failed. 1001 is sent only where a server that stops has no socket to
    /// [reset](crate::Connection::send_away).
    pub fn code(self) -> u16 {
        match self {
            Self::Finished
            | Self::ClientClosed
            | Self::ClientGone
            | Self::Aborted
            | Self::SlowConsumer
            | Self::HandshakeRefused
            | Self::HandshakeTimeout
            | Self::Refused
            | Self::MessageTooLong
            | Self::InvalidMessage
            | Self::ClientTimeout
            | Self::CredentialsExpired
            | Self::UnsendableResult
            | Self::Dismissed => 1000,
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
            Self::HandshakeRefused => "handshake_refused",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Refused => "refused",
            Self::MessageTooLong => "message_too_long",
            Self::InvalidMessage => "invalid_message",
            Self::ClientTimeout => "client_timeout",
            Self::CredentialsExpired => "credentials_expired",
            Self::UnsendableResult => "unsendable_result",
            Self::Dismissed => "dismissed",
        }
    }
}
