//! Encodes events as the invocations of `OnEvent` that clients receive (Portos, Notification), and positions as those of `OnPosition`.

use bytes::Bytes;
use portos_notifications::broker;
use signalhub_connections::Frame;
use signalhub_events::{Delivery, Event, EventName, Gap, Position};
use signalhub_protocol::{EncodeError, HubMessage, Invocation, Protocol, Value};

use super::gap::GapMembers;
use crate::calls::caller::Caller;
use crate::clients::client::frame;
use crate::options::TraceHeader;

/// The method of the client for events.
const TARGET: &str = "OnEvent";

/// The method of the client for positions.
const POSITION_TARGET: &str = "OnPosition";

/// The method of the client for events that it will not get.
const GAP_TARGET: &str = "OnGap";

/// What the member `r` of a notification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// Null, as in the original.
    Null,
    /// The position of the event, for clients that have used `since`.
    Position,
}

/// The form in which a client gets events. Clients with the same form share the bytes of each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) protocol: Protocol,
    pub(super) reference: Reference,
    pub(super) trace_header: TraceHeader,
}

impl Form {
    /// The form for the client of a call.
    pub(super) fn of(caller: &Caller, reference: Reference) -> Self {
        let trace_header = caller.state().options.trace_header;
        Self { protocol: caller.client().protocol(), reference, trace_header }
    }
}

/// The header of an invocation that has the trace of its event.
const TRACEPARENT: &str = "traceparent";

/// How deep a payload may nest. The message around it adds 3 levels, and the original's readers accept 64.
const DEEPEST_PAYLOAD: u32 = 61;

/// Checks that every protocol can represent a payload, so that an event reaches the clients of all protocols or none.
pub(super) fn check_payload(payload: &[u8]) -> Result<(), String> {
    Value::Json(payload).check_portable(DEEPEST_PAYLOAD).map_err(|error| error.to_string())
}

/// Encodes and frames a delivery; empty if that fails. Its payload was checked when it was published.
pub(super) fn on_event(form: Form, delivery: &Delivery) -> Bytes {
    let Form { protocol, reference, trace_header } = form;
    let event = delivery.event();
    let position = match reference {
        Reference::Null => None,
        Reference::Position => Some(delivery.position().to_string()),
    };
    match encode(protocol, event, position.as_deref()) {
        Ok(arguments) => {
            let mut invocation = Invocation::new(TARGET, protocol.arguments(&arguments));
            if let (TraceHeader::Sent, Some(trace)) = (trace_header, event.trace) {
                invocation.headers.set(TRACEPARENT, trace.to_traceparent());
            }
            frame(protocol, &HubMessage::Invocation(invocation)).as_bytes().clone()
        }
        Err(error) => {
            tracing::error!(event = %event.name, %error, "an event cannot be encoded, so no client gets it");
            Bytes::new()
        }
    }
}

/// Encodes and frames the message that tells a client how far it has got the events of a name.
pub(super) fn on_position(protocol: Protocol, event: &EventName, position: Position) -> Result<Frame, EncodeError> {
    let mut arguments = Vec::new();
    protocol.encode_arguments(&(event.as_str(), position.to_string()), &mut arguments)?;
    let invocation = Invocation::new(POSITION_TARGET, protocol.arguments(&arguments));
    Ok(frame(protocol, &HubMessage::Invocation(invocation)))
}

/// Encodes and frames the message that tells a client that it will not get some events of a name.
pub(super) fn on_gap(protocol: Protocol, event: &EventName, gap: Gap) -> Result<Frame, EncodeError> {
    let mut arguments = Vec::new();
    protocol.encode_arguments(&(event.as_str(), GapMembers(gap)), &mut arguments)?;
    let invocation = Invocation::new(GAP_TARGET, protocol.arguments(&arguments));
    Ok(frame(protocol, &HubMessage::Invocation(invocation)))
}

/// Encodes the arguments. They are written as JSON first and, for every other protocol, transcoded, because the short names of
/// a notification are the same in all protocols.
fn encode(protocol: Protocol, event: &Event, reference: Option<&str>) -> Result<Vec<u8>, RenderError> {
    let mut notification = broker::notification(event, Value::Json(&event.payload))?;
    notification.reference = reference;
    let mut json = Vec::with_capacity(event.payload.len() + 256);
    Protocol::Json.encode_arguments(&(notification,), &mut json)?;
    if protocol == Protocol::Json {
        return Ok(json);
    }
    let mut arguments = Vec::with_capacity(json.len());
    protocol.encode_value(&Value::Json(&json), &mut arguments)?;
    Ok(arguments)
}

/// Why an event cannot be encoded.
#[derive(Debug, thiserror::Error)]
enum RenderError {
    /// Its sender is not a sender of Portos.
    #[error("its sender cannot be read: {0}")]
    Sender(#[from] serde_json::Error),
    /// The protocol cannot represent it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}
