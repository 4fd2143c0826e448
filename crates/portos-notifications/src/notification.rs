//! What a client receives.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::{LICENCE_ACTIVATED, LicenceActivated, RESOURCES_CHANGED, ResourceChanged, timestamp};

/// Holds the argument of `OnEvent` (Portos, Notification); its members stand in the documented order, nulls included.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notification {
    /// The event name.
    #[serde(rename = "e")]
    pub event: String,
    /// Who sent it.
    #[serde(rename = "s")]
    pub sender: NotificationSender,
    /// The reference identifier, if there is one.
    #[serde(rename = "r", default)]
    pub reference: Option<String>,
    /// When it was created.
    #[serde(rename = "ca", with = "timestamp::required")]
    pub created: OffsetDateTime,
    /// When it expires.
    #[serde(rename = "ea", with = "timestamp::optional", default)]
    pub expires: Option<OffsetDateTime>,
    /// The payload, which depends on the event.
    #[serde(rename = "p")]
    pub payload: Box<RawValue>,
}

impl Notification {
    /// Reads the payload of a `portos.resources.changed`; `None` if it is another event.
    ///
    /// # Errors
    /// Fails if the payload is not what Portos documents for the event.
    pub fn resource_changed(&self) -> Result<Option<ResourceChanged>, serde_json::Error> {
        if self.event != RESOURCES_CHANGED {
            return Ok(None);
        }
        let changed: ResourceChanged = serde_json::from_str(self.payload.get())?;
        Ok(Some(ResourceChanged { expires: self.expires, ..changed }))
    }

    /// Takes the payload of a `portos.licence.activated`; `None` if it is another event.
    #[must_use]
    pub fn licence_activated(&self) -> Option<LicenceActivated> {
        let licence = (self.event == LICENCE_ACTIVATED).then(|| self.payload.clone())?;
        Some(LicenceActivated { licence, organisation: None, expires: self.expires })
    }
}

/// Names the connection and the user that sent a notification (Portos, NotificationSender).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationSender {
    /// The connection of the sender.
    #[serde(rename = "c")]
    pub connection: String,
    /// The user that sent it.
    #[serde(rename = "u")]
    pub user: UserIdentity,
}

/// Names a user on a device (Portos, UserIdentity and NotificationSenderUserIdentity); the default is `SYSTEM` on `SYSTEM`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UserIdentity {
    /// The unique user name.
    #[serde(rename = "u")]
    pub user: String,
    /// The device name.
    #[serde(rename = "d")]
    pub device: String,
    /// The feature that acted, if one did.
    #[serde(rename = "f", default)]
    pub feature: Option<String>,
}

impl UserIdentity {
    /// Names a user on a device.
    #[must_use]
    pub fn new(user: impl Into<String>, device: impl Into<String>) -> Self {
        Self { user: user.into(), device: device.into(), feature: None }
    }

    /// Names the feature that acted.
    #[must_use]
    pub fn with_feature(self, feature: impl Into<String>) -> Self {
        Self { feature: Some(feature.into()), ..self }
    }
}

impl Default for UserIdentity {
    fn default() -> Self {
        Self::new("SYSTEM", "SYSTEM")
    }
}

#[cfg(test)]
mod tests;
