//! The events that exist.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use crate::event::Event;
use crate::name::EventName;
use crate::resources::Resources;

/// Tells what happens to events that the catalogue does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UnknownEvents {
    /// They are refused.
    #[default]
    Refused,
    /// They are taken, with or without resources.
    Allowed,
}

/// Checks an event that is about to be published, and returns what was expected instead.
type EventCheck = Arc<dyn Fn(&Event) -> Result<(), String> + Send + Sync>;

/// Lists the events that may be published and subscribed to.
#[derive(Clone, Default)]
pub struct Catalogue {
    events: BTreeMap<EventName, Resources>,
    /// Those that are checked beyond their name. Most are not.
    checks: HashMap<EventName, EventCheck>,
    unknown: UnknownEvents,
}

impl Catalogue {
    /// Creates a catalogue without any event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares an event; a second declaration replaces the first.
    #[must_use]
    pub fn with_event(mut self, event: EventName, resources: Resources) -> Self {
        self.events.insert(event, resources);
        self
    }

    /// Sets how events of this name are checked when they are published, such as the form of their payload. The check returns what was
    /// expected instead; a second one replaces the first. Events without one are not slowed down.
    #[must_use]
    pub fn with_check(
        mut self,
        event: EventName,
        check: impl Fn(&Event) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.insert(event, Arc::new(check));
        self
    }

    /// Sets what happens to events that are not declared.
    #[must_use]
    pub fn with_unknown(self, unknown: UnknownEvents) -> Self {
        Self { unknown, ..self }
    }

    /// Returns whether a declared event has resources; `None` if it is not declared.
    #[must_use]
    pub fn resources(&self, event: &EventName) -> Option<Resources> {
        self.events.get(event).copied()
    }

    /// Lists the declared events in the order of their names.
    pub fn events(&self) -> impl Iterator<Item = (&EventName, Resources)> {
        self.events.iter().map(|(event, resources)| (event, *resources))
    }

    /// Calls the check of an event, if it has one.
    pub(crate) fn check_event(&self, event: &Event) -> Result<(), String> {
        self.checks.get(&event.name).map_or(Ok(()), |check| check(event))
    }

    /// Checks that the event exists, and that it has resources if one is asked for; for filters and events alike.
    ///
    /// # Errors
    /// Names what was wrong and what is allowed.
    pub fn check(&self, event: &EventName, asked: Resources) -> Result<(), CatalogueError> {
        match self.resources(event) {
            None if self.unknown == UnknownEvents::Allowed => Ok(()),
            None => {
                let allowed = self.events.keys().cloned().collect();
                Err(CatalogueError::UnknownEvent { event: event.clone(), allowed })
            }
            Some(Resources::Without) if asked == Resources::With => {
                let with = self.events().filter(|(_, resources)| *resources == Resources::With);
                let allowed = with.map(|(event, _)| event.clone()).collect();
                Err(CatalogueError::NoResources { event: event.clone(), allowed })
            }
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("events", &self.events)
            .field("unknown", &self.unknown)
            .finish_non_exhaustive()
    }
}

/// Why the catalogue refused an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The event is not declared.
    #[error("unknown event \"{event}\": expected {}", list(allowed))]
    UnknownEvent {
        /// The event that was asked for.
        event: EventName,
        /// The events that exist.
        allowed: Vec<EventName>,
    },
    /// A resource or action was given for an event that has none.
    #[error("event \"{event}\" has no resources: resources and actions are allowed for {}", list(allowed))]
    NoResources {
        /// The event that was asked for.
        event: EventName,
        /// The events that have resources.
        allowed: Vec<EventName>,
    },
}

impl CatalogueError {
    /// Leaves out the names of events that the reader has no grant for.
    #[must_use]
    pub fn naming_only(mut self, may_know: impl Fn(&EventName) -> bool) -> Self {
        let (Self::UnknownEvent { allowed, .. } | Self::NoResources { allowed, .. }) = &mut self;
        allowed.retain(|event| may_know(event));
        self
    }
}

fn list(events: &[EventName]) -> String {
    let quoted: Vec<String> = events.iter().map(|event| format!("\"{event}\"")).collect();
    match quoted.split_last() {
        None => "no event at all".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
