//! What is published.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::action::Action;
use crate::name::check_length;
use crate::name::{EventName, NameError, Organisation, ResourceName};
use crate::position::Epoch;
use crate::resources::Resources;
use crate::trace_parent::TraceParent;

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
    /// The sender, as JSON in the form that the publisher uses. The broker does not read it. `None` if the publisher gave none.
    pub sender: Option<Bytes>,
    /// Identifies it. [`Broker::publish`](crate::Broker::publish) sets it, so it is always there in a [`Delivery`](crate::Delivery).
    pub id: Option<EventId>,
    /// The id of the node that took it from its publisher; [`Broker::publish`](crate::Broker::publish) sets it, so it is always there
    /// in a [`Delivery`](crate::Delivery).
    pub node: Option<Arc<str>>,
    /// When it was created.
    pub created: OffsetDateTime,
    /// When it expires. An expired event is not delivered.
    pub expires: Option<OffsetDateTime>,
    /// The trace that it belongs to, if its publisher named one. A store on disk does not keep it.
    pub trace: Option<TraceParent>,
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
            id: None,
            node: None,
            created: OffsetDateTime::now_utc(),
            expires: None,
            trace: None,
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

    /// Limits it to one organisation.
    #[must_use]
    pub fn with_organisation(self, organisation: Organisation) -> Self {
        Self { organisation: Some(organisation), ..self }
    }

    /// Sets the sender, as JSON in the form that the publisher uses.
    #[must_use]
    pub fn with_sender(self, sender: Bytes) -> Self {
        Self { sender: Some(sender), ..self }
    }

    /// Sets when it was created.
    #[must_use]
    pub fn with_created(self, created: OffsetDateTime) -> Self {
        Self { created, ..self }
    }

    /// Sets when it expires.
    #[must_use]
    pub fn with_expires(self, expires: OffsetDateTime) -> Self {
        Self { expires: Some(expires), ..self }
    }

    /// Sets the trace that it belongs to.
    #[must_use]
    pub fn with_trace(self, trace: Option<TraceParent>) -> Self {
        Self { trace, ..self }
    }

    /// Checks that none of its names is too long.
    pub(crate) fn check_names(&self) -> Result<(), NameError> {
        check_length(self.name.as_str())?;
        self.resource.as_ref().map_or(Ok(()), |resource| check_length(resource.as_str()))?;
        self.organisation.as_ref().map_or(Ok(()), |organisation| check_length(organisation.as_str()))
    }

    /// Returns how many bytes of the publisher it holds in memory: its names, its sender and its payload.
    pub(crate) fn size(&self) -> usize {
        // All events of a node share the text of its id.
        let Self {
            name,
            resource,
            action: _,
            organisation,
            sender,
            id: _,
            node: _,
            created: _,
            expires: _,
            trace: _,
            payload,
        } = self;
        let names = name.as_str().len()
            + resource.as_ref().map_or(0, |resource| resource.as_str().len())
            + organisation.as_ref().map_or(0, |organisation| organisation.as_str().len());
        names + sender.as_ref().map_or(0, Bytes::len) + payload.len()
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

/// Identifies a published event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    run: Epoch,
    serial: u64,
}

impl EventId {
    /// Identifies the `serial`th event of a run of a broker.
    #[must_use]
    pub const fn new(run: Epoch, serial: u64) -> Self {
        Self { run, serial }
    }

    /// Returns the run of the broker that took the event.
    #[must_use]
    pub const fn run(&self) -> Epoch {
        self.run
    }

    /// Returns the number of the event among those of the run, over all names.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.serial
    }
}

/// A text is not a valid event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 16 lower-case hexadecimal digits, a hyphen and a number")]
pub struct EventIdError;

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let (run, serial) = text.split_once('-').ok_or(EventIdError)?;
        let run = Epoch::new(u64::from_str_radix(run, 16).map_err(|_| EventIdError)?);
        let id = Self::new(run, serial.parse().map_err(|_| EventIdError)?);
        if id.to_string() == text { Ok(id) } else { Err(EventIdError) }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.serial)
    }
}
