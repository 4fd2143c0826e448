//! Violations of the WebSocket protocol by a client.

use thiserror::Error;

/// How a client violated the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Violation {
    /// A reserved bit is set although no extension was agreed (RFC 6455, 5.2).
    #[error("a reserved bit is set")]
    ReservedBit,
    /// The opcode is reserved (RFC 6455, 5.2).
    #[error("opcode {0} is reserved")]
    ReservedOpcode(u8),
    /// Clients must mask their frames (RFC 6455, 5.1).
    #[error("the frame is not masked")]
    Unmasked,
    /// A control frame must not be fragmented (RFC 6455, 5.5).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame holds at most 125 bytes (RFC 6455, 5.5).
    #[error("a control frame is longer than 125 bytes")]
    LongControl,
    /// The top bit of a 64-bit length must be clear (RFC 6455, 5.2).
    #[error("the frame's length has its top bit set")]
    Length,
    /// A continuation frame was sent outside a fragmented message (RFC 6455, 5.4).
    #[error("a continuation frame is outside a fragmented message")]
    UnexpectedContinuation,
    /// A new message began within a fragmented one (RFC 6455, 5.4).
    #[error("a message begins within a fragmented one")]
    ExpectedContinuation,
    /// The body of a close frame must be empty or begin with a two-byte code (RFC 6455, 5.5.1).
    #[error("the body of a close frame is one byte long")]
    CloseBody,
    /// The code of a close frame is one that must not be sent (RFC 6455, 7.4).
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    /// The reason of a Close frame is not UTF-8 (RFC 6455, 5.5.1).
    #[error("the close reason is not utf-8")]
    CloseReason,
    /// A text message is not UTF-8 (RFC 6455, 8.1).
    #[error("a text message is not utf-8")]
    Text,
}
