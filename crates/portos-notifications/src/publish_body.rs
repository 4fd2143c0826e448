//! The body of a publish request.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;

use crate::licence_activated::{LICENCE_ACTIVATED, LicenceActivated};
use crate::members::{self, MemberError, Members, TIMESTAMP, name, text};
use crate::payload::{CanonicalPayload, PayloadError};
use crate::resource_changed::{RESOURCES_CHANGED, ResourceChanged};
use crate::sender::{NotificationSender, UserIdentity};
use crate::timestamp;

/// Holds the body of `POST /api/v1/publish`: what [`read`](Self::read) takes and [`to_json`](Self::to_json) writes.
///
/// Code that converts to or from `PublishBody` lists every field, so that adding one is a compile error until each conversion handles
/// it. Publishers use [`new`](Self::new) and set the fields that they need.
#[derive(Debug, Clone, Serialize)]
pub struct PublishBody {
    /// The event name.
    #[serde(rename = "e")]
    pub event: String,
    /// The payload.
    #[serde(rename = "p")]
    pub payload: Box<RawValue>,
    /// When it expires.
    #[serde(rename = "ea", with = "timestamp::optional")]
    pub expires: Option<OffsetDateTime>,
    /// The only organisation that may see it; `None` is visible to all.
    #[serde(rename = "org", skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Who sent it; the server fills in what is not given.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub sender: Option<PublishSender>,
}

impl PublishBody {
    /// Creates a body that is visible to all organisations and does not expire.
    #[must_use]
    pub fn new(event: impl Into<String>, payload: Box<RawValue>) -> Self {
        Self { event: event.into(), payload, expires: None, organisation: None, sender: None }
    }

    /// Reads a body, which must be a JSON object.
    ///
    /// # Errors
    /// Refuses a member that is missing, unknown, or not what was expected, with its path.
    pub fn read(object: &RawValue) -> Result<Self, MemberError> {
        let mut members = Members::read("", object)?;
        let body = Self {
            event: members.required("e", "the name of an event", name)?,
            payload: members.required("p", "the payload", Some)?.to_owned(),
            expires: members.optional("ea", TIMESTAMP, members::timestamp)?,
            organisation: members.optional("org", "the name of an organisation", name)?,
            sender: members.object("s")?.map(PublishSender::read).transpose()?,
        };
        members.finish()?;
        Ok(body)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, and JSON that was JSON before, always serialise")
    }
}

/// The sender of a notification. The publisher may leave out any part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PublishSender {
    /// The connection; the id of the publishing node where it is not given.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The user; `SYSTEM` on `SYSTEM` where it is not given.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub user: Option<UserIdentity>,
}

impl PublishSender {
    fn read(mut members: Members<'_>) -> Result<Self, MemberError> {
        let connection = members.optional("c", "a text", text)?;
        let user = members.object("u")?.map(read_user).transpose()?;
        members.finish()?;
        Ok(Self { connection, user })
    }

    /// Fills in the parts that the publisher left out, for a publish to this node.
    #[must_use]
    pub fn complete(self, node: &str) -> NotificationSender {
        NotificationSender {
            connection: self.connection.unwrap_or_else(|| node.to_owned()),
            user: self.user.unwrap_or_default(),
        }
    }
}

fn read_user(mut members: Members<'_>) -> Result<UserIdentity, MemberError> {
    let user = UserIdentity {
        user: members.required("u", "the name of a user", text)?,
        device: members.required("d", "the name of a device", text)?,
        feature: members.optional("f", "the name of a feature", text)?,
    };
    members.finish()?;
    Ok(user)
}

/// The two Portos events. The trait is sealed.
pub trait NotificationEvent: sealed::Sealed {
    /// Returns the event name.
    fn name(&self) -> &'static str;

    /// Makes the body for the publish API. The payload is checked and has the documented form.
    ///
    /// # Errors
    /// If the payload does not have the form that Portos documents; the error has the path.
    fn publish_body(&self) -> Result<PublishBody, PayloadError>;
}

impl NotificationEvent for ResourceChanged {
    fn name(&self) -> &'static str {
        RESOURCES_CHANGED
    }

    fn publish_body(&self) -> Result<PublishBody, PayloadError> {
        let payload = to_raw_value(self)?;
        let Self { user: _, resource: _, action: _, info: _, resources: _, organisation, expires } = self;
        body(RESOURCES_CHANGED, &payload, organisation.clone(), *expires)
    }
}

impl NotificationEvent for LicenceActivated {
    fn name(&self) -> &'static str {
        LICENCE_ACTIVATED
    }

    fn publish_body(&self) -> Result<PublishBody, PayloadError> {
        let Self { licence, organisation, expires } = self;
        body(LICENCE_ACTIVATED, licence, organisation.clone(), *expires)
    }
}

fn body(
    event: &str,
    payload: &RawValue,
    organisation: Option<String>,
    expires: Option<OffsetDateTime>,
) -> Result<PublishBody, PayloadError> {
    let canonical = CanonicalPayload::check(event, payload)?;
    let payload = canonical.map_or_else(|| payload.to_owned(), |canonical| canonical.payload);
    // The server fills in the sender.
    Ok(PublishBody { event: event.to_owned(), payload, expires, organisation, sender: None })
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::ResourceChanged {}
    impl Sealed for super::LicenceActivated {}
}

#[cfg(test)]
mod tests;
