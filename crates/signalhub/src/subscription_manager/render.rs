//! An event as the call of `OnEvent` that clients receive (Portos, Notification).

use bytes::Bytes;
use serde::Serialize;
use signalhub_events::{Delivery, Sender, format_timestamp};
use signalhub_protocol::{EncodeError, HubMessage, Invocation, Protocol, Value};

use crate::clients::client::frame;

/// The method of the client.
const TARGET: &str = "OnEvent";

/// How deep a payload may nest: the message around it adds 3, and readers of the original stop at 64.
const DEEPEST_PAYLOAD: u32 = 61;

#[derive(Serialize)]
struct Notification<'a> {
    e: &'a str,
    s: NotificationSender<'a>,
    /// The position of the event, once there is a history to read from.
    r: Option<&'a str>,
    ca: String,
    ea: Option<String>,
    p: Value<'a>,
}

#[derive(Serialize)]
struct NotificationSender<'a> {
    c: &'a str,
    u: NotificationSenderUser<'a>,
}

#[derive(Serialize)]
struct NotificationSenderUser<'a> {
    u: &'a str,
    d: &'a str,
    f: Option<&'a str>,
}

/// Holds a payload against all protocols, so that no event reaches the clients of one alone.
pub(super) fn check_payload(payload: &[u8]) -> Result<(), String> {
    Value::Json(payload).check_portable(DEEPEST_PAYLOAD).map_err(|error| error.to_string())
}

/// Encodes and frames a delivery, whose payload was checked when it was published.
pub(super) fn on_event(protocol: Protocol, delivery: &Delivery) -> Bytes {
    let event = delivery.event();
    let system = Sender::system("");
    let sender = event.sender.as_ref().unwrap_or(&system);
    let notification = Notification {
        e: event.name.as_str(),
        s: NotificationSender {
            c: &sender.connection,
            u: NotificationSenderUser {
                u: &sender.user.user,
                d: &sender.user.device,
                f: sender.user.feature.as_deref(),
            },
        },
        r: None,
        ca: format_timestamp(event.created),
        ea: event.expires.map(format_timestamp),
        p: Value::Json(&event.payload),
    };
    match encode(protocol, &notification, event.payload.len() + 256) {
        Ok(arguments) => {
            let invocation = HubMessage::Invocation(Invocation::new(TARGET, protocol.arguments(&arguments)));
            frame(protocol, &invocation).as_bytes().clone()
        }
        Err(error) => {
            tracing::error!(event = %event.name, %error, "an event cannot be encoded, so nobody hears of it");
            Bytes::new()
        }
    }
}

/// Encodes the arguments, by way of JSON for every protocol: its short names are the same in all of them.
fn encode(protocol: Protocol, notification: &Notification<'_>, capacity: usize) -> Result<Vec<u8>, EncodeError> {
    let mut json = Vec::with_capacity(capacity);
    Protocol::Json.encode_arguments(&(notification,), &mut json)?;
    if protocol == Protocol::Json {
        return Ok(json);
    }
    let mut arguments = Vec::with_capacity(json.len());
    protocol.encode_value(&Value::Json(&json), &mut arguments)?;
    Ok(arguments)
}
