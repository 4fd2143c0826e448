//! What a client receives.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::licence_activated::{LICENCE_ACTIVATED, LicenceActivated};
use crate::resource_changed::{RESOURCES_CHANGED, ResourceChanged};
use crate::sender::NotificationSender;
use crate::timestamp;

/// The argument of `OnEvent` (Portos, Notification). Its members are written in the order in which Portos documents them; a member
/// without a value is written as null.
///
/// A client reads it with the types that are the default. A hub writes it with borrowed text, and with a payload that it does not copy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notification<T = String, P = Box<RawValue>> {
    /// The event name.
    #[serde(rename = "e")]
    pub event: T,
    /// Who sent it.
    #[serde(rename = "s")]
    pub sender: NotificationSender,
    /// A reference identifier. It is always null today: Portos names this member and does not define what it refers to.
    #[serde(rename = "r", default = "Option::default")]
    pub reference: Option<T>,
    /// When it was created.
    #[serde(rename = "ca", with = "timestamp::required")]
    pub created: OffsetDateTime,
    /// When it expires.
    #[serde(rename = "ea", with = "timestamp::optional", default)]
    pub expires: Option<OffsetDateTime>,
    /// The payload, which depends on the event.
    #[serde(rename = "p")]
    pub payload: P,
}

impl Notification {
    /// Reads the payload of a `portos.resources.changed`; `None` if it is another event.
    ///
    /// # Errors
    /// Fails if the payload is not what Portos documents for the event.
    pub fn resource_changed(&self) -> Result<Option<ResourceChanged>, serde_json::Error> {
        let Self { event, sender: _, reference: _, created: _, expires, payload } = self;
        if event != RESOURCES_CHANGED {
            return Ok(None);
        }
        // Organisation and expiry are no members of the payload. The notification has the expiry, and nothing of the organisation.
        let ResourceChanged { user, resource, action, info, resources, organisation: _, expires: _ } =
            serde_json::from_str(payload.get())?;
        let (organisation, expires) = (None, *expires);
        Ok(Some(ResourceChanged { user, resource, action, info, resources, organisation, expires }))
    }

    /// Takes the payload of a `portos.licence.activated`; `None` if it is another event.
    #[must_use]
    pub fn licence_activated(&self) -> Option<LicenceActivated> {
        let Self { event, sender: _, reference: _, created: _, expires, payload } = self;
        let licence = (event == LICENCE_ACTIVATED).then(|| payload.clone())?;
        Some(LicenceActivated { licence, organisation: None, expires: *expires })
    }
}

#[cfg(test)]
mod tests;
