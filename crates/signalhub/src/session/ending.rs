//! Why a session ends, and what follows from it: the Close message, the error for `on_disconnected`, the log line
//! (HubProtocol, Close).

use std::sync::Arc;

use signalhub_connections::{CloseReason, ConnectionId, Dismissal};
use signalhub_protocol::{Close, DecodeError};

use super::numbering::Gap;
use crate::error::{ErrorDetails, HubError};
use crate::options::{HubOptions, ShutdownMessage};

/// The text of every Close message that carries an error, before its details.
const CLOSED_WITH_ERROR: &str = "Connection closed with an error.";

/// Why a session ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// The transport has ended; `unfinished` if it ended in the middle of a message.
    Transport { reason: CloseReason, unfinished: bool },
    /// The client sent a Close message.
    ClientSaidClose { error: Option<Arc<str>> },
    /// The application aborted the connection.
    Aborted,
    /// An operator ended the connection.
    Dismissed(Dismissal),
    /// `on_connected` failed.
    Refused(HubError),
    /// The client sent nothing for longer than the client timeout.
    ClientTimeout,
    /// The client violated the hub protocol.
    Fault(Fault),
    /// A result or an item cannot be serialised.
    Unserialisable(String),
    /// The credentials have expired.
    Expired,
    /// The server is shutting down.
    Shutdown,
    /// Code of the application panicked outside a call.
    Panicked,
}

/// A violation of the hub protocol, with the exception and the text of the original.
#[derive(Debug)]
pub(super) struct Fault {
    reason: CloseReason,
    exception: &'static str,
    text: String,
}

impl Fault {
    pub(super) fn too_long(limit: usize) -> Self {
        Self {
            reason: CloseReason::MessageTooLong,
            exception: "InvalidDataException",
            text: format!(
                "The maximum message size of {limit}B was exceeded. The message size can be configured in AddHubOptions."
            ),
        }
    }

    pub(super) fn foreign_answer(connection: &ConnectionId, invocation: &str) -> Self {
        Self {
            reason: CloseReason::InvalidMessage,
            exception: "InvalidOperationException",
            // The text is logged, too, and a connection id can be the connection token: `for_log` leaves such an id out.
            text: format!("Connection ID '{}' is not valid for invocation ID '{invocation}'.", connection.for_log()),
        }
    }
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self { reason: CloseReason::InvalidMessage, exception: error.exception(), text: error.to_string() }
    }
}

impl From<Gap> for Fault {
    fn from(gap: Gap) -> Self {
        Self { reason: CloseReason::InvalidMessage, exception: "InvalidOperationException", text: gap.to_string() }
    }
}

impl Ending {
    /// The name and the text of the exception that the original would throw.
    fn exception(&self) -> Option<(&'static str, String)> {
        let exception = match self {
            Self::ClientTimeout => (
                "OperationCanceledException",
                "Client hasn't sent a message/ping within the client timeout.".to_owned(),
            ),
            Self::Fault(fault) => (fault.exception, fault.text.clone()),
            Self::Unserialisable(text) => ("SerializationException", text.clone()),
            _ => return None,
        };
        Some(exception)
    }

    /// The Close message; `None` if the client gets none.
    pub(super) fn message(&self, options: &HubOptions) -> Option<Close<'static>> {
        let details = options.error_details;
        let without_error = |allow_reconnect| Some(Close { error: None, allow_reconnect });
        match self {
            Self::Transport { .. } => None,
            // Old clients do not reconnect after a Close message, even if it allows that.
            Self::Shutdown if options.shutdown_message == ShutdownMessage::Omitted => None,
            Self::ClientSaidClose { .. } | Self::Aborted => without_error(false),
            Self::Dismissed(Dismissal { allow_reconnect, reason }) => {
                let error = reason.as_deref().map(|reason| reason.to_owned().into());
                Some(Close { error, allow_reconnect: *allow_reconnect })
            }
            Self::Expired | Self::Shutdown => without_error(true),
            Self::Refused(error) => Some(Close {
                error: Some(error.text_for_client(CLOSED_WITH_ERROR, details).into()),
                allow_reconnect: false,
            }),
            Self::ClientTimeout | Self::Fault(_) | Self::Unserialisable(_) | Self::Panicked => {
                let text = match (self.exception(), details) {
                    (Some((exception, text)), ErrorDetails::Shown) => {
                        format!("{CLOSED_WITH_ERROR} {exception}: {text}")
                    }
                    _ => CLOSED_WITH_ERROR.to_owned(),
                };
                Some(Close { error: Some(text.into()), allow_reconnect: true })
            }
        }
    }

    /// The error that `on_disconnected` gets; `None` after an orderly end.
    pub(super) fn disconnected(&self) -> Option<Arc<str>> {
        match self {
            Self::ClientSaidClose { error } => error.clone(),
            Self::Transport { unfinished: true, .. } => Some("Connection terminated while reading a message.".into()),
            Self::Transport { reason: CloseReason::ProtocolViolation | CloseReason::InvalidText, .. } => {
                Some("The client broke the rules of its transport.".into())
            }
            Self::Transport { reason: CloseReason::SlowConsumer, .. } => Some("The client did not read.".into()),
            Self::Panicked => Some("The server panicked.".into()),
            _ => self.exception().map(|(_, text)| text.into()),
        }
    }

    pub(super) fn close_reason(&self) -> CloseReason {
        match self {
            Self::Transport { reason, .. } => *reason,
            Self::ClientSaidClose { .. } => CloseReason::ClientClosed,
            Self::Aborted => CloseReason::Aborted,
            Self::Dismissed(_) => CloseReason::Dismissed,
            Self::Refused(_) => CloseReason::Refused,
            Self::ClientTimeout => CloseReason::ClientTimeout,
            Self::Fault(fault) => fault.reason,
            Self::Unserialisable(_) => CloseReason::UnsendableResult,
            Self::Expired => CloseReason::CredentialsExpired,
            Self::Shutdown => CloseReason::ServerShutdown,
            Self::Panicked => CloseReason::HandlerFailed,
        }
    }

    /// The detail that is logged with the reason.
    pub(super) fn detail(&self) -> Option<Arc<str>> {
        match self {
            Self::Refused(error) => Some(error.to_string().into()),
            Self::Dismissed(dismissal) => dismissal.reason.clone(),
            _ => self.disconnected(),
        }
    }
}

/// Logs the end of a connection. The caller is inside the span of the connection.
pub(super) fn log(reason: CloseReason, detail: Option<&str>) {
    match reason {
        // The transport has already logged what was wrong.
        CloseReason::ProtocolViolation | CloseReason::InvalidText => {}
        reason => tracing::debug!(reason = reason.label(), detail, "a connection ended"),
    }
}
