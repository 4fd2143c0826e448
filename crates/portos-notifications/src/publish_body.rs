//! What the publish API takes.

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
/// Code that makes one from something else, or something else of one, names every member, so that a new member does not compile until
/// each of these places deals with it. Publishers use [`new`](Self::new) and set the members that they need.
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

/// Names the sender of a notification as far as its publisher wants to.
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

    /// Fills in what is not given, for a publish to this node.
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

/// Marks the two events of Portos; nothing else can be one.
pub trait NotificationEvent: sealed::Sealed {
    /// Returns the event name.
    fn name(&self) -> &'static str;

    /// Returns what a publish API takes, its payload checked and in the documented form.
    ///
    /// # Errors
    /// Names where the payload is not what Portos documents.
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
