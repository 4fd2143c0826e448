//! The handshake, in which the client chooses the hub protocol and its version (HubProtocol, Overview).

use signalhub_connections::{CloseReason, Connection, Frame, Intake, MessageKind, Received, Reconnect};
use signalhub_protocol::{HandshakeRequest, HandshakeResponse, Protocol};

use crate::clients::client::message_kind;
use crate::error::HubError;
use crate::handshake_counts::HandshakeOutcome;
use crate::options::HubOptions;

/// The error when the handshake is not complete in time, or is too long.
const CANCELED: &str = "Handshake was canceled.";

/// The lowest protocol version with stateful reconnect (HubProtocol, Ack and Sequence).
const RESUMABLE_VERSION: i32 = 2;

/// What the handshake decided.
pub(super) struct Agreement {
    pub(super) protocol: Protocol,
    pub(super) reconnect: Reconnect,
}

/// Why a connection ended during its handshake.
pub(super) struct Unfinished {
    pub(super) reason: CloseReason,
    pub(super) detail: Option<String>,
}

/// Reads the handshake request and answers it.
///
/// A successful answer is queued, and sent when the caller uncorks the connection: a client that has read it must already be
/// registered with the hub. A connection that fails here gets no Close message.
pub(super) async fn shake_hands(options: &HubOptions, connection: &mut Connection) -> Result<Agreement, Unfinished> {
    let timeout = options.handshake_timeout;
    match tokio::time::timeout(timeout, read_request(options, connection)).await {
        Ok(Ok(request)) => match choose(&request, connection) {
            Ok(protocol) => {
                connection.outbound().cork();
                answer(connection, message_kind(protocol), None);
                if request.version < RESUMABLE_VERSION {
                    connection.disable_resume();
                }
                if connection.is_resumable() {
                    connection.outbound().retain(options.stateful_reconnect_buffer_size);
                }
                Ok(Agreement { protocol, reconnect: connection.reconnect() })
            }
            Err(error) => Err(refuse(connection, &error, error.clone())),
        },
        Ok(Err(Failure::Ended(reason))) => Err(Unfinished { reason, detail: None }),
        Ok(Err(Failure::Refused { answer, detail })) => Err(refuse(connection, &answer, detail)),
        Err(_) => {
            answer(connection, MessageKind::Text, Some(CANCELED));
            Err(Unfinished { reason: CloseReason::HandshakeTimeout, detail: None })
        }
    }
}

/// How a handshake ended that failed for this reason.
pub(super) fn outcome(reason: CloseReason) -> HandshakeOutcome {
    match reason {
        CloseReason::HandshakeRefused => HandshakeOutcome::Refused,
        CloseReason::HandshakeTimeout => HandshakeOutcome::TimedOut,
        _ => HandshakeOutcome::Ended,
    }
}

enum Failure {
    /// The connection has ended, so nothing is sent.
    Ended(CloseReason),
    /// The handshake is refused: `answer` is sent to the client, and `detail` is logged.
    Refused { answer: String, detail: String },
}

async fn read_request(options: &HubOptions, connection: &mut Connection) -> Result<HandshakeRequest, Failure> {
    let limit = options.maximum_receive_message_size.unwrap_or(usize::MAX);
    let mut searched = 0;
    loop {
        match connection.receive(Intake::Open).await {
            Received::Bytes => {}
            // Nothing has been sent yet, so there is nothing to resend.
            Received::Reconnected => {
                connection.outbound().resume(None);
                searched = 0;
                continue;
            }
            Received::Ended(reason) => return Err(Failure::Ended(reason)),
            Received::Drain => return Err(Failure::Ended(CloseReason::ServerShutdown)),
            Received::Expired => return Err(Failure::Ended(CloseReason::CredentialsExpired)),
            Received::Aborted => return Err(Failure::Ended(CloseReason::Aborted)),
            _ => continue,
        }
        let input = connection.input();
        let input = &input[..input.len().min(limit)];
        match HandshakeRequest::parse_grown(input, searched) {
            Ok(Some((request, consumed))) => {
                connection.consume(consumed);
                return Ok(request);
            }
            Ok(None) if input.len() >= limit => {
                let detail = format!("the handshake is longer than a message may be, {limit} bytes");
                return Err(Failure::Refused { answer: CANCELED.to_owned(), detail });
            }
            Ok(None) => searched = input.len(),
            Err(error) => {
                let base = "An unexpected error occurred during connection handshake.";
                let error = HubError::internal(error.exception(), &error);
                let answer = error.text_for_client(base, options.error_details);
                return Err(Failure::Refused { answer, detail: error.to_string() });
            }
        }
    }
}

fn choose(request: &HandshakeRequest, connection: &Connection) -> Result<Protocol, String> {
    let name = &request.protocol;
    let protocol = Protocol::from_name(name).ok_or_else(|| format!("The protocol '{name}' is not supported."))?;
    if request.version > protocol.highest_version() {
        return Err(format!("The server does not support version {} of the '{name}' protocol.", request.version));
    }
    if !connection.carries(message_kind(protocol)) {
        // Text is carried by every transport.
        return Err(format!(
            "Cannot use the '{}' protocol on the current transport. The transport does not support 'Binary' transfer format.",
            protocol.name()
        ));
    }
    Ok(protocol)
}

fn answer(connection: &Connection, kind: MessageKind, error: Option<&str>) {
    let frame = Frame::build(kind, |out| HandshakeResponse::encode(error, out));
    // If the connection has ended, the next `receive` reports it.
    let _ = connection.outbound().send_unretained(&frame);
}

/// Sends the error of a failed handshake, always as text: no protocol has been agreed on.
fn refuse(connection: &Connection, error: &str, detail: String) -> Unfinished {
    answer(connection, MessageKind::Text, Some(error));
    Unfinished { reason: CloseReason::HandshakeRefused, detail: Some(detail) }
}
