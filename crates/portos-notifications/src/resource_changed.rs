//! `portos.resources.changed`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::action::Action;
use crate::sender::UserIdentity;

/// The name of the event that [`ResourceChanged`] is.
pub const RESOURCES_CHANGED: &str = "portos.resources.changed";

/// Tells that a resource was created, updated or deleted.
///
/// Serialised, it is the payload of the notification (Portos, ResourceChangedNotificationPayload): organisation and expiry stand
/// beside the payload, not in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResourceChanged {
    /// The user whose action changed the resource.
    #[serde(rename = "u")]
    pub user: UserIdentity,
    /// The kind of the resource, such as `tickets`. Subscriptions and grants ask for it as the resource of the event.
    #[serde(rename = "n")]
    pub resource: String,
    /// What happened to the resource.
    #[serde(rename = "a")]
    pub action: Action,
    /// Which resource of that kind it is: its id and version.
    #[serde(rename = "i")]
    pub info: ResourceInfo,
    /// The content of the resource: JSON objects, kept as they were given.
    #[serde(rename = "r", default, deserialize_with = "null_as_empty")]
    pub resources: Vec<Box<RawValue>>,
    /// The only organisation that may see it; `None` is visible to all.
    #[serde(skip)]
    pub organisation: Option<String>,
    /// When it expires. An expired notification is not delivered.
    #[serde(skip)]
    pub expires: Option<OffsetDateTime>,
}

impl ResourceChanged {
    /// Tells that the system changed the resource of this kind with this id, which now has this version. It has no content yet.
    #[must_use]
    pub fn new(resource: impl Into<String>, action: Action, id: impl Into<String>, version: i64) -> Self {
        let resource = resource.into();
        let info = ResourceInfo { id: id.into(), name: resource.clone(), version };
        let user = UserIdentity::default();
        Self { user, resource, action, info, resources: Vec::new(), organisation: None, expires: None }
    }

    /// Sets the user whose action changed the resource.
    #[must_use]
    pub fn with_user(self, user: UserIdentity) -> Self {
        Self { user, ..self }
    }

    /// Adds the content of the resource, which must serialise as a JSON object.
    ///
    /// # Errors
    /// Fails if it cannot be serialised as JSON.
    pub fn with_resource(mut self, resource: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.resources.push(serde_json::value::to_raw_value(resource)?);
        Ok(self)
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

/// Identifies one resource in one version (Portos, ResourceInfo).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResourceInfo {
    /// The id, which is unique among the resources of this kind.
    #[serde(rename = "i")]
    pub id: String,
    /// The kind of the resource, the same as [`ResourceChanged::resource`].
    #[serde(rename = "n")]
    pub name: String,
    /// The version that the resource has after the change.
    #[serde(rename = "v")]
    pub version: i64,
}

fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Box<RawValue>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
