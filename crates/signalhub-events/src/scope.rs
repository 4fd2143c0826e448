//! What a subscriber may see.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::action::Action;
use crate::catalogue::Catalogue;
use crate::event::Event;
use crate::filter::Filter;
use crate::name::{EventName, Organisation};
use crate::subscribe_error::SubscribeError;

/// Limits the events that a subscriber receives, regardless of its filters.
///
/// An event of an organisation is visible to that organisation only; an event without one is visible to all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    organisation: Option<Organisation>,
    grants: Grants,
}

impl Scope {
    /// Creates the scope of a subscriber of this organisation, or of none, with these grants.
    #[must_use]
    pub fn new(organisation: Option<Organisation>, grants: Grants) -> Self {
        Self { organisation, grants }
    }

    /// Creates the scope that sees every event without an organisation.
    #[must_use]
    pub fn unrestricted() -> Self {
        Self::new(None, Grants::All)
    }

    /// Returns the organisation of the subscriber.
    #[must_use]
    pub fn organisation(&self) -> Option<&Organisation> {
        self.organisation.as_ref()
    }

    /// Returns the grants of the subscriber.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Tells whether the subscriber may see the event.
    #[must_use]
    pub fn allows(&self, event: &Event) -> bool {
        let visible = event.organisation.is_none() || event.organisation == self.organisation;
        visible && self.grants.allows(event)
    }

    /// Tells whether any grant has events in common with the filter. Without one, a subscription could never receive an event.
    #[must_use]
    pub fn overlaps(&self, filter: &Filter) -> bool {
        self.grants.overlaps(filter)
    }

    /// Checks that a subscriber of this scope may ask for the filter. The grants come first: without one, the error does not tell
    /// whether there is such an event, and errors name only events that there is a grant for.
    ///
    /// # Errors
    /// If no grant overlaps the filter, or the catalogue does not have its event.
    pub fn check(&self, filter: &Filter, catalogue: &Catalogue) -> Result<(), SubscribeError> {
        if !self.overlaps(filter) {
            return Err(SubscribeError::NotGranted(filter.clone()));
        }
        let may_know = |event: &EventName| self.overlaps(&Filter::new(event.clone()));
        Ok(catalogue.check(&filter.event, filter.resources()).map_err(|error| error.naming_only(may_know))?)
    }

    /// Replaces the grants.
    #[must_use]
    pub(crate) fn with_grants(self, grants: Grants) -> Self {
        Self { grants, ..self }
    }
}

/// The events that a subscriber was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// Every event.
    All,
    /// What at least one of these grants allows; an empty list allows nothing.
    Only(Vec<Grant>),
}

impl Grants {
    /// Tells whether any of them allows the event, regardless of its organisation.
    #[must_use]
    pub fn allows(&self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Only(grants) => grants.iter().any(|grant| grant.allows(event)),
        }
    }

    /// Tells whether any of them has events in common with the filter.
    #[must_use]
    pub fn overlaps(&self, filter: &Filter) -> bool {
        match self {
            Self::All => true,
            Self::Only(grants) => grants.iter().any(|grant| grant.overlaps(filter)),
        }
    }
}

/// Grants the events whose name, resource and action it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    event: Pattern,
    resource: Option<Pattern>,
    actions: Option<Vec<Action>>,
}

impl Grant {
    /// Grants every event whose name matches.
    #[must_use]
    pub fn new(event: Pattern) -> Self {
        Self { event, resource: None, actions: None }
    }

    /// Narrows it to events about a matching resource; those without a resource are no longer granted.
    #[must_use]
    pub fn with_resource(self, resource: Pattern) -> Self {
        Self { resource: Some(resource), ..self }
    }

    /// Narrows it to events with one of these actions; those without an action are no longer granted.
    #[must_use]
    pub fn with_actions(self, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { actions: Some(actions.into_iter().collect()), ..self }
    }

    /// Returns which event names it grants.
    #[must_use]
    pub fn event(&self) -> &Pattern {
        &self.event
    }

    /// Returns which resources it grants; `None` is any, and none.
    #[must_use]
    pub fn resource(&self) -> Option<&Pattern> {
        self.resource.as_ref()
    }

    /// Returns which actions it grants; `None` is any, and none.
    #[must_use]
    pub fn actions(&self) -> Option<&[Action]> {
        self.actions.as_deref()
    }

    /// Tells whether it allows the event.
    #[must_use]
    pub fn allows(&self, event: &Event) -> bool {
        self.allows_name(event) && self.allows_resource(event) && self.allows_action(event)
    }

    /// Tells which of its parts allow the event: the name, the resource, the action.
    pub(crate) fn parts_that_match(&self, event: &Event) -> (bool, bool, bool) {
        (self.allows_name(event), self.allows_resource(event), self.allows_action(event))
    }

    fn allows_name(&self, event: &Event) -> bool {
        self.event.matches(event.name.as_str())
    }

    fn allows_resource(&self, event: &Event) -> bool {
        let matches = |pattern: &Pattern| event.resource.as_ref().is_some_and(|name| pattern.matches(name.as_str()));
        self.resource.as_ref().is_none_or(matches)
    }

    fn allows_action(&self, event: &Event) -> bool {
        let contains = |actions: &Vec<Action>| event.action.is_some_and(|action| actions.contains(&action));
        self.actions.as_ref().is_none_or(contains)
    }

    /// Tells whether the filter and the grant have events in common.
    #[must_use]
    pub(crate) fn overlaps(&self, filter: &Filter) -> bool {
        let resource = |pattern: &Pattern| filter.resource.as_ref().is_none_or(|name| pattern.matches(name.as_str()));
        let action = |actions: &Vec<Action>| match filter.action {
            None => !actions.is_empty(),
            Some(action) => actions.contains(&action),
        };
        self.event.matches(filter.event.as_str())
            && self.resource.as_ref().is_none_or(resource)
            && self.actions.as_ref().is_none_or(action)
    }
}

/// Matches names: exactly, or by their beginning if it ends with `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Exact(Arc<str>),
    Prefix(Arc<str>),
}

impl Pattern {
    /// Tells whether the name matches; `*` alone matches every name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Exact(exact) => &**exact == name,
            Kind::Prefix(prefix) => name.starts_with(&**prefix),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exact(exact) => f.write_str(exact),
            Kind::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// Why a text is not a valid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The pattern was empty.
    #[error("a pattern must not be empty: use \"*\" for every name")]
    Empty,
    /// A `*` stood elsewhere than at the end.
    #[error("\"{0}\" is no pattern: a * may only stand at the end")]
    Star(String),
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (name, kind): (&str, fn(Arc<str>) -> Kind) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, Kind::Prefix),
            None => (text, Kind::Exact),
        };
        if text.is_empty() {
            Err(PatternError::Empty)
        } else if name.contains('*') {
            Err(PatternError::Star(text.to_owned()))
        } else {
            Ok(Self(kind(name.into())))
        }
    }
}

#[cfg(test)]
mod tests;
