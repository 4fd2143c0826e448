//! The filter of a subscription.

use crate::action::Action;
use crate::event::Event;
use crate::name::check_length;
use crate::name::{EventName, NameError, ResourceName};
use crate::resources::Resources;

/// Describes the events that one subscription matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The kind of event.
    pub event: EventName,
    /// The resource. `None` matches every resource, and events without one.
    pub resource: Option<ResourceName>,
    /// The action. `None` matches every action, and events without one.
    pub action: Option<Action>,
}

impl Filter {
    /// Creates a filter for every event of this name.
    #[must_use]
    pub fn new(event: EventName) -> Self {
        Self { event, resource: None, action: None }
    }

    /// Narrows it to one resource.
    #[must_use]
    pub fn with_resource(self, resource: ResourceName) -> Self {
        Self { resource: Some(resource), ..self }
    }

    /// Narrows it to one action.
    #[must_use]
    pub fn with_action(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }

    /// Checks that none of its names is too long.
    pub(crate) fn check_names(&self) -> Result<(), NameError> {
        check_length(self.event.as_str())?;
        self.resource.as_ref().map_or(Ok(()), |resource| check_length(resource.as_str()))
    }

    /// Counts the bytes of its names: of the event, and of the resource if there is one.
    #[must_use]
    pub fn name_bytes(&self) -> usize {
        self.event.as_str().len() + self.resource.as_ref().map_or(0, |resource| resource.as_str().len())
    }

    /// Tells whether `other` is equal to this filter or narrower.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.event == other.event
            && (self.resource.is_none() || self.resource == other.resource)
            && (self.action.is_none() || self.action == other.action)
    }

    /// Tells whether the filter matches the event. This does not check access; see [`Scope`](crate::Scope).
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.event == event.name
            && (self.resource.is_none() || self.resource == event.resource)
            && (self.action.is_none() || self.action == event.action)
    }

    /// Tells whether it names a resource or an action.
    #[must_use]
    pub fn resources(&self) -> Resources {
        if self.resource.is_some() || self.action.is_some() { Resources::With } else { Resources::Without }
    }
}
