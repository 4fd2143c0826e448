//! The events of the dialect, what their payloads may be, and the messages that become of them.

mod object;
mod table;

use bytes::Bytes;
use signalhub_connections::{Frame, MessageKind};
use signalhub_events::{Catalogue, Delivery, EncodingKey, Event, EventName, Resources};

use object::Object;
use table::{AUTOMATION_JOB, JOB, NEST};
pub(super) use table::{DEVICE, JOB_STATUS, Member, is_guid};

/// A job was created or has changed.
pub const JOB_CHANGED: &str = "printfactory.job.changed";

/// The status of a device has changed.
pub const DEVICE_CHANGED: &str = "printfactory.device.changed";

/// A nest was scheduled, cancelled or deleted.
pub const NEST_CHANGED: &str = "printfactory.nest.changed";

/// A job of Cloud Automation was added or processed.
pub const AUTOMATION_JOB_CHANGED: &str = "printfactory.automation-job.changed";

/// The names of all events of the dialect.
pub const EVENTS: [&str; 4] = [JOB_CHANGED, DEVICE_CHANGED, NEST_CHANGED, AUTOMATION_JOB_CHANGED];

/// The encoding that all listeners share.
pub(super) const ENCODING: EncodingKey = EncodingKey::new("printfactory");

/// Declares the events of the dialect, without resources, and how their payloads are checked.
#[must_use]
pub fn declare(catalogue: Catalogue) -> Catalogue {
    EVENTS.iter().fold(catalogue, |catalogue, name| {
        catalogue.with_event(EventName::new(*name), Resources::Without).with_check(EventName::new(*name), check)
    })
}

/// Checks the payload of an event of the dialect. The error tells what was expected.
fn check(event: &Event) -> Result<(), String> {
    message(event).map(drop)
}

/// Makes the frame of an event; empty if it has none.
pub(super) fn frame(delivery: &Delivery) -> Bytes {
    let event = delivery.event();
    match message(event) {
        Ok(message) => Frame::new(MessageKind::Text, message.as_bytes()).as_bytes().clone(),
        Err(error) => {
            tracing::error!(event = %event.name, %error, "an event has no message, so no listener gets it");
            Bytes::new()
        }
    }
}

/// Writes the message of an event: the members of its payload in the documented order, each value as it was published.
fn message(event: &Event) -> Result<String, String> {
    let members = members(event.name.as_str()).ok_or("the event is not one of PrintFactory")?;
    let payload = std::str::from_utf8(&event.payload).map_err(|error| error.to_string())?;
    write(members, payload)
}

/// Writes an object with these members, in their order. The error tells what was expected.
pub(super) fn write(members: &[Member], json: &str) -> Result<String, String> {
    table::write(members, &Object::read(json)?)
}

fn members(event: &str) -> Option<&'static [Member]> {
    match event {
        JOB_CHANGED => Some(JOB),
        DEVICE_CHANGED => Some(DEVICE),
        NEST_CHANGED => Some(NEST),
        AUTOMATION_JOB_CHANGED => Some(AUTOMATION_JOB),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
