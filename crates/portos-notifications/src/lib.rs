//! The Portos wire: the types that publishers, hubs and clients exchange, their exact bytes, and how a service emits notifications.
//!
//! A service emits [`ResourceChanged`] and [`LicenceActivated`]; a client of the hub receives a [`Notification`]. [`PublishBody`] is the
//! JSON that a hub's publish API takes, and [`Receipt`] its answer, so any HTTP client can publish. With feature `http` a `Notifier`
//! does that: it sends an [`IdempotencyKey`] with each publish and tries again with the same key, so that a lost answer neither loses nor
//! doubles an event. The feature `https` adds TLS to it, for hubs at `https://` URLs.
//!
//! [`SubscriptionRequest`] is what a client subscribes to, [`GrantClaim`] what its token lets it see. With feature `broker`, the module `broker` turns these types into those of a broker, and a `Notifier` publishes to one in the same process.
//!
//! Every hub, server and command line that speaks Portos uses these types. Without features this crate needs no network and no runtime.
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

#![cfg_attr(docsrs, feature(doc_cfg))]

mod action;
#[cfg(feature = "broker")]
pub mod broker;
mod grant_claim;
mod idempotency_key;
mod licence_activated;
pub mod members;
mod notification;
#[cfg(any(feature = "broker", feature = "http"))]
mod notifier;
mod payload;
mod publish_body;
mod receipt;
mod resource_changed;
mod sender;
mod subscription_request;
mod timestamp;
mod wait;

pub use action::{Action, UnknownAction, UnknownCode};
pub use grant_claim::{GRANTS_CLAIM, GrantClaim};
pub use idempotency_key::{IdempotencyKey, InvalidIdempotencyKey};
pub use licence_activated::{LICENCE_ACTIVATED, LicenceActivated};
pub use notification::Notification;
#[cfg(feature = "http")]
pub use notifier::{Credentials, NotifierError, PublishOptions, Retries};
#[cfg(any(feature = "broker", feature = "http"))]
pub use notifier::{Notifier, NotifyError};
pub use payload::{CanonicalPayload, PayloadError};
pub use publish_body::{NotificationEvent, PublishBody, PublishSender};
pub use receipt::{AnsweredNodes, Delivered, Receipt, ReceiptScope};
pub use resource_changed::{RESOURCES_CHANGED, ResourceChanged, ResourceInfo};
pub use sender::{NotificationSender, UserIdentity};
#[cfg(feature = "https")]
pub use signalhub_tls_client::{CaError, TlsProblem};
pub use subscription_request::{RequestedSince, SubscriptionRequest, SubscriptionRequestResource};
pub use timestamp::{format_timestamp, parse_timestamp};
pub use wait::{UnknownWait, Wait};
