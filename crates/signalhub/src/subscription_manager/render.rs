//! Encodes an event as the invocation of `OnEvent` that clients receive (Portos, Notification).

use bytes::Bytes;
use portos_notifications::broker;
use signalhub_events::{Delivery, Event};
use signalhub_protocol::{EncodeError, HubMessage, Invocation, Protocol, Value};

use crate::clients::client::frame;

/// The method of the client.
const TARGET: &str = "OnEvent";

/// How deep a payload may nest. The message around it adds 3 levels, and the original's readers accept 64.
const DEEPEST_PAYLOAD: u32 = 61;

/// Checks that every protocol can represent a payload, so that an event reaches the clients of all protocols or none.
pub(super) fn check_payload(payload: &[u8]) -> Result<(), String> {
    Value::Json(payload).check_portable(DEEPEST_PAYLOAD).map_err(|error| error.to_string())
}

/// Encodes and frames a delivery; empty if that fails. Its payload was checked when it was published.
pub(super) fn on_event(protocol: Protocol, delivery: &Delivery) -> Bytes {
    let event = delivery.event();
    match encode(protocol, event) {
        Ok(arguments) => {
            let invocation = HubMessage::Invocation(Invocation::new(TARGET, protocol.arguments(&arguments)));
            frame(protocol, &invocation).as_bytes().clone()
        }
        Err(error) => {
            tracing::error!(event = %event.name, %error, "an event cannot be encoded, so no client gets it");
            Bytes::new()
        }
    }
}

/// Encodes the arguments. They are written as JSON first and, for every other protocol, transcoded, because the short names of
/// a notification are the same in all protocols.
fn encode(protocol: Protocol, event: &Event) -> Result<Vec<u8>, RenderError> {
    let notification = broker::notification(event, Value::Json(&event.payload))?;
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
