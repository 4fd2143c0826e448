//! What the publish API takes.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;

use crate::{
    CanonicalPayload, LICENCE_ACTIVATED, LicenceActivated, PayloadError, RESOURCES_CHANGED, ResourceChanged, timestamp,
};

/// Holds the body of `POST /api/v1/publish`; reading one refuses members it does not know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishBody {
    /// The event name.
    #[serde(rename = "e")]
    pub event: String,
    /// The payload.
    #[serde(rename = "p")]
    pub payload: Box<RawValue>,
    /// When it expires.
    #[serde(rename = "ea", with = "timestamp::optional", default)]
    pub expires: Option<OffsetDateTime>,
    /// The only organisation that may see it.
    #[serde(rename = "org", default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
}

impl PublishBody {
    /// Reads a body.
    ///
    /// # Errors
    /// Fails on what is not JSON, lacks a member or has an unknown one.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// Writes the body.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, and JSON that was JSON before, always serialise")
    }
}

/// Marks the two events of Portos; nothing else can be one.
pub trait NotificationEvent: sealed::Sealed {
    /// Returns the event name.
    fn name(&self) -> &'static str;

    /// Returns what a publish API takes, its payload checked and in the documented form.
    ///
    /// # Errors
    /// Says where the payload is not what Portos documents.
    fn publish_body(&self) -> Result<PublishBody, PayloadError>;
}

impl NotificationEvent for ResourceChanged {
    fn name(&self) -> &'static str {
        RESOURCES_CHANGED
    }

    fn publish_body(&self) -> Result<PublishBody, PayloadError> {
        body(RESOURCES_CHANGED, &to_raw_value(self)?, self.organisation.as_ref(), self.expires)
    }
}

impl NotificationEvent for LicenceActivated {
    fn name(&self) -> &'static str {
        LICENCE_ACTIVATED
    }

    fn publish_body(&self) -> Result<PublishBody, PayloadError> {
        body(LICENCE_ACTIVATED, &self.licence, self.organisation.as_ref(), self.expires)
    }
}

fn body(
    event: &str,
    payload: &RawValue,
    organisation: Option<&String>,
    expires: Option<OffsetDateTime>,
) -> Result<PublishBody, PayloadError> {
    let canonical = CanonicalPayload::check(event, payload)?;
    let payload = canonical.map_or_else(|| payload.to_owned(), |canonical| canonical.payload);
    Ok(PublishBody { event: event.to_owned(), payload, expires, organisation: organisation.cloned() })
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::ResourceChanged {}
    impl Sealed for crate::LicenceActivated {}
}

#[cfg(test)]
mod tests;
