//! What is published.

use bytes::Bytes;
use time::OffsetDateTime;

use crate::action::Action;
use crate::catalogue::Resources;
use crate::name::check_length;
use crate::name::{EventName, NameError, Organisation, ResourceName};

/// Holds one thing that happened, as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The kind of event.
    pub name: EventName,
    /// The resource it is about, for events with resources.
    pub resource: Option<ResourceName>,
    /// What happened to that resource.
    pub action: Option<Action>,
    /// The only organisation that may see it; `None` is visible to all.
    pub organisation: Option<Organisation>,
    /// Who sent it; [`Broker::publish`](crate::Broker::publish) puts the system user of its node where the publisher said
    /// nothing, so it is always there in a [`Delivery`](crate::Delivery).
    pub sender: Option<Sender>,
    /// When it was created.
    pub created: OffsetDateTime,
    /// When it stops being worth delivering.
    pub expires: Option<OffsetDateTime>,
    /// The payload: JSON, never read by the broker.
    pub payload: Bytes,
}

impl Event {
    /// Creates an event of this moment with a JSON payload, visible to all organisations.
    #[must_use]
    pub fn new(name: EventName, payload: impl Into<Bytes>) -> Self {
        Self {
            name,
            resource: None,
            action: None,
            organisation: None,
            sender: None,
            created: OffsetDateTime::now_utc(),
            expires: None,
            payload: payload.into(),
        }
    }

    /// Sets the resource it is about.
    #[must_use]
    pub fn with_resource(self, resource: ResourceName) -> Self {
        Self { resource: Some(resource), ..self }
    }

    /// Sets what happened to the resource.
    #[must_use]
    pub fn with_action(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }

    /// Bounds it to one organisation.
    #[must_use]
    pub fn with_organisation(self, organisation: Organisation) -> Self {
        Self { organisation: Some(organisation), ..self }
    }

    /// Sets who sent it.
    #[must_use]
    pub fn with_sender(self, sender: Sender) -> Self {
        Self { sender: Some(sender), ..self }
    }

    /// Sets when it was created.
    #[must_use]
    pub fn with_created(self, created: OffsetDateTime) -> Self {
        Self { created, ..self }
    }

    /// Sets when it stops being worth delivering.
    #[must_use]
    pub fn with_expires(self, expires: OffsetDateTime) -> Self {
        Self { expires: Some(expires), ..self }
    }

    /// Checks that none of its names is too long.
    pub(crate) fn check_names(&self) -> Result<(), NameError> {
        check_length(self.name.as_str())?;
        self.resource.as_ref().map_or(Ok(()), |resource| check_length(resource.as_str()))?;
        self.organisation.as_ref().map_or(Ok(()), |organisation| check_length(organisation.as_str()))
    }

    /// Tells whether it is past its expiry at `now`.
    #[must_use]
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Tells whether it names a resource or an action.
    #[must_use]
    pub fn resources(&self) -> Resources {
        if self.resource.is_some() || self.action.is_some() { Resources::With } else { Resources::Without }
    }
}

/// Names the connection and the user that sent an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The connection it came from; the id of the publishing node for what the server itself sends.
    pub connection: String,
    /// The user it came from.
    pub user: SenderUser,
}

impl Sender {
    /// Names the system user on the given connection.
    #[must_use]
    pub fn system(connection: impl Into<String>) -> Self {
        Self { connection: connection.into(), user: SenderUser::default() }
    }
}

/// Names a user on a device; the default is `SYSTEM` on `SYSTEM`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SenderUser {
    /// The unique user name.
    pub user: String,
    /// The device name.
    pub device: String,
    /// The feature that acted, if one did.
    pub feature: Option<String>,
}

impl Default for SenderUser {
    fn default() -> Self {
        Self { user: "SYSTEM".to_owned(), device: "SYSTEM".to_owned(), feature: None }
    }
}
