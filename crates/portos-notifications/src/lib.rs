//! The typed notifications of Portos, and how a service emits them.
//!
//! [`ResourceChanged`] and [`LicenceActivated`] are what a service has to say; [`Notification`] is what a client of the hub
//! receives. [`PublishBody`] is the JSON that a hub's publish API takes, so any HTTP client can send it. With feature `http`
//! a `Notifier` does that; with feature `broker` it hands the event to a broker in the same process.
//!
//! This crate deliberately knows no server, no hub and no subscriptions, and without features neither a network nor a runtime.
//!
//! ```
//! use portos_notifications::*;
//!
//! let changed = ResourceChanged::new("tickets", Action::Created, "573f4511088c772684a738f8", 7)
//!     .with_user(UserIdentity::new("999", "BackOffice"));
//! assert_eq!(
//!     changed.publish_body()?.to_json(),
//!     concat!(
//!         r#"{"e":"portos.resources.changed","p":{"u":{"u":"999","d":"BackOffice","f":null},"n":"tickets","a":1,"#,
//!         r#""i":{"i":"573f4511088c772684a738f8","n":"tickets","v":7},"r":[]},"ea":null}"#,
//!     ),
//! );
//! # Ok::<_, PayloadError>(())
//! ```

mod licence_activated;
mod notification;
#[cfg(any(feature = "broker", feature = "http"))]
mod notifier;
mod payload;
mod publish_body;
mod resource_changed;
mod timestamp;

pub use licence_activated::{LICENCE_ACTIVATED, LicenceActivated};
pub use notification::{Notification, NotificationSender, UserIdentity};
#[cfg(feature = "http")]
pub use notifier::NotifierError;
#[cfg(any(feature = "broker", feature = "http"))]
pub use notifier::{Notifier, NotifyError, Receipt};
pub use payload::{CanonicalPayload, PayloadError};
pub use publish_body::{NotificationEvent, PublishBody};
pub use resource_changed::{Action, RESOURCES_CHANGED, ResourceChanged, ResourceInfo, UnknownCode};
pub use timestamp::{format_timestamp, parse_timestamp};
