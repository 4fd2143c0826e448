//! Who sent a notification.

use serde::{Deserialize, Serialize};

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

impl NotificationSender {
    /// Names the system user, `SYSTEM` on `SYSTEM`, on the given connection: for what a node itself sends, its own id.
    #[must_use]
    pub fn system(connection: impl Into<String>) -> Self {
        Self { connection: connection.into(), user: UserIdentity::default() }
    }
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
