//! The line of the log about the end of a dialect's connection.

use signalhub_connections::CloseReason;

/// Logs why a connection is closed, with the reason under which the end is counted. The caller is inside the span of the
/// connection.
pub(crate) fn log_end(reason: CloseReason) {
    match reason {
        // The transport has already logged what was wrong.
        CloseReason::ProtocolViolation | CloseReason::InvalidText | CloseReason::MessageTooLong => {}
        reason => tracing::debug!(reason = reason.label(), "a connection ended"),
    }
}
