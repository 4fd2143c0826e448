//! An event of the history as it stands in an answer.

use portos_notifications::{NotificationSender, format_timestamp};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use signalhub::events::{Event, Organisation, Position};

/// The members of a notification, and what only the history has: position, id and organisation.
#[derive(Serialize)]
struct Entry<'a> {
    position: String,
    id: Option<String>,
    e: &'a str,
    s: Box<RawValue>,
    ca: String,
    ea: Option<String>,
    org: Option<&'a str>,
    p: &'a RawValue,
}

/// Writes an event; `None` if that is not possible, which is logged.
pub(crate) fn entry(position: Position, event: &Event) -> Option<Box<RawValue>> {
    match write(position, event) {
        Ok(entry) => Some(entry),
        Err(error) => {
            tracing::error!(event = %event.name, %position, %error, "an event cannot be written, so no reader gets it");
            None
        }
    }
}

fn write(position: Position, event: &Event) -> Result<Box<RawValue>, serde_json::Error> {
    let sender = match &event.sender {
        Some(sender) => serde_json::from_slice(sender)?,
        None => to_raw_value(&NotificationSender::system(event.node.as_deref().unwrap_or_default()))?,
    };
    to_raw_value(&Entry {
        position: position.to_string(),
        id: event.id.map(|id| id.to_string()),
        e: event.name.as_str(),
        s: sender,
        ca: format_timestamp(event.created),
        ea: event.expires.map(format_timestamp),
        org: event.organisation.as_ref().map(Organisation::as_str),
        p: serde_json::from_slice(&event.payload)?,
    })
}
