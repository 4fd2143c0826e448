//! `portos.licence.activated`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

/// The name of the event that [`LicenceActivated`] is.
pub const LICENCE_ACTIVATED: &str = "portos.licence.activated";

/// Tells that a Portos licence was activated.
///
/// Serialised, it is the payload of the notification, which is the licence as it was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LicenceActivated {
    /// The licence: a JSON object, by custom spelled as in the REST API (`shopId`, `activationTime`, `features`, …).
    pub licence: Box<RawValue>,
    /// The only organisation that may see it; `None` is visible to all.
    #[serde(skip)]
    pub organisation: Option<String>,
    /// When it expires. An expired notification is not delivered.
    #[serde(skip)]
    pub expires: Option<OffsetDateTime>,
}

impl LicenceActivated {
    /// Tells that this licence, which must serialise as a JSON object, was activated.
    ///
    /// # Errors
    /// Fails if it cannot be serialised as JSON.
    pub fn new(licence: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { licence: serde_json::value::to_raw_value(licence)?, organisation: None, expires: None })
    }

    /// Limits it to one organisation.
    #[must_use]
    pub fn with_organisation(self, organisation: impl Into<String>) -> Self {
        Self { organisation: Some(organisation.into()), ..self }
    }

    /// Sets when it expires.
    #[must_use]
    pub fn with_expires(self, expires: OffsetDateTime) -> Self {
        Self { expires: Some(expires), ..self }
    }
}
