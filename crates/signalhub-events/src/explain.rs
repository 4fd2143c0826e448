//! Explains why a subscriber gets an event, or does not.
//!
//! The steps are those of the broker, in its order: the catalogue, the organisation, the grants, the subscriptions, the expiry. Nothing here
//! is used to deliver events; a test holds that both agree.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::catalogue::Catalogue;
use crate::event::Event;
use crate::filter::Filter;
use crate::resources::Resources;
use crate::scope::{Grant, Grants, Scope};

/// How many grants a detail lists.
const LISTED_GRANTS: usize = 3;

/// What a step of an explanation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExplainedStep {
    /// Whether the broker takes the event.
    Catalogue,
    /// Whether the event is one of the subscriber's organisation, or of none.
    Organisation,
    /// Whether the subscriber was granted the event.
    Grants,
    /// Whether the subscriber has a subscription that matches.
    Subscriptions,
    /// Whether the event has not expired.
    Expiry,
}

impl ExplainedStep {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Organisation => "organisation",
            Self::Grants => "grants",
            Self::Subscriptions => "subscriptions",
            Self::Expiry => "expiry",
        }
    }
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepOutcome {
    /// The event passes.
    Pass,
    /// The event ends here.
    Fail,
    /// The step was not looked at, because an earlier one failed.
    Skip,
}

impl StepOutcome {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// One step of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What the step is about.
    pub step: ExplainedStep,
    /// Its result.
    pub outcome: StepOutcome,
    /// What was compared, in a sentence for operators. It holds names as publishers and clients chose them, with any character. `None` for a
    /// step that was skipped.
    pub detail: Option<String>,
}

impl Explained {
    fn new(step: ExplainedStep, passes: Result<String, String>) -> Self {
        let (outcome, detail) = match passes {
            Ok(detail) => (StepOutcome::Pass, detail),
            Err(detail) => (StepOutcome::Fail, detail),
        };
        Self { step, outcome, detail: Some(detail) }
    }

    /// A step that was not looked at.
    #[must_use]
    pub const fn skipped(step: ExplainedStep) -> Self {
        Self { step, outcome: StepOutcome::Skip, detail: None }
    }

    /// Tells whether the event ends at this step.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.outcome == StepOutcome::Fail
    }
}

/// Explains whether a broker with this catalogue takes the event. The payload is not looked at.
#[must_use]
pub fn explain_event(event: &Event, catalogue: &Catalogue) -> Explained {
    let taken = event.check_names().map_err(|error| error.to_string());
    let taken = taken.and_then(|()| {
        catalogue.check(&event.name, event.resources()).map_err(|error| error.to_string())?;
        Ok(match (catalogue.resources(&event.name), event.resources()) {
            (Some(Resources::With), Resources::With) => "declared, with resources".to_owned(),
            (Some(Resources::With), Resources::Without) => "declared, with resources, but none is named".to_owned(),
            (Some(Resources::Without), _) => "declared, without resources".to_owned(),
            (None, _) => "not declared, but undeclared events are allowed".to_owned(),
        })
    });
    Explained::new(ExplainedStep::Catalogue, taken)
}

/// Explains whether a subscriber of this scope with these filters gets an event that the broker takes.
///
/// It gets the event if no step failed. The filters are those that the broker has taken: [`Subscriptions::add`](crate::Subscriptions::add)
/// refuses some.
#[must_use]
pub fn explain_subscriber(event: &Event, scope: &Scope, filters: &[Filter], now: OffsetDateTime) -> [Explained; 4] {
    let organisation = Explained::new(ExplainedStep::Organisation, organisation(event, scope));
    let grants = match organisation.is_failed() {
        true => Explained::skipped(ExplainedStep::Grants),
        false => Explained::new(ExplainedStep::Grants, grants(event, scope.grants())),
    };
    let subscriptions = match organisation.is_failed() || grants.is_failed() {
        true => Explained::skipped(ExplainedStep::Subscriptions),
        false => Explained::new(ExplainedStep::Subscriptions, subscriptions(event, filters)),
    };
    [organisation, grants, subscriptions, Explained::new(ExplainedStep::Expiry, expiry(event, now))]
}

fn organisation(event: &Event, scope: &Scope) -> Result<String, String> {
    let own = match scope.organisation() {
        Some(own) => format!("connection of {own}"),
        None => "connection without an organisation".to_owned(),
    };
    match &event.organisation {
        None => Ok(format!("event without an organisation, {own}")),
        Some(organisation) if scope.organisation() == Some(organisation) => {
            Ok(format!("event of {organisation}, {own}"))
        }
        Some(organisation) => Err(format!("event of {organisation}, {own}")),
    }
}

fn grants(event: &Event, grants: &Grants) -> Result<String, String> {
    let Grants::Only(grants) = grants else {
        return Ok("every event is granted: the connection has no list of grants".to_owned());
    };
    if let Some((index, grant)) = grants.iter().enumerate().find(|(_, grant)| grant.allows(event)) {
        return Ok(format!("{} (grants[{index}])", ShownGrant(grant)));
    }
    let needed = format!("needs {}", Subject::of(event));
    if grants.is_empty() {
        return Err(format!("{needed}; has an empty list of grants"));
    }
    // The nearest first; those that are as near stay in their order.
    let mut nearest: Vec<(usize, &Grant)> = grants.iter().enumerate().collect();
    nearest.sort_by_key(|(_, grant)| std::cmp::Reverse(grant.parts_that_match(event)));
    let listed: Vec<String> = nearest
        .iter()
        .take(LISTED_GRANTS)
        .map(|(index, grant)| format!("{} (grants[{index}])", ShownGrant(grant)))
        .collect();
    let others = match grants.len().saturating_sub(LISTED_GRANTS) {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    Err(format!("{needed}; has {}{others}", listed.join(", ")))
}

fn subscriptions(event: &Event, filters: &[Filter]) -> Result<String, String> {
    if let Some(filter) = filters.iter().find(|filter| filter.matches(event)) {
        return Ok(format!("the subscription to {} matches", Subject::of_filter(filter)));
    }
    let Some(nearest) = filters.iter().max_by_key(|filter| nearness(filter, event)) else {
        return Err("the connection has no subscription".to_owned());
    };
    let which = match filters.len() {
        1 => "the only subscription".to_owned(),
        count => format!("the nearest of {count} subscriptions"),
    };
    let differences = differences(nearest, event).join(", and ");
    Err(format!("{which} is to {}: {differences}", Subject::of_filter(nearest)))
}

/// The parts of a filter that match, the most important first; of other events, those whose names begin like that of the event are nearer.
fn nearness(filter: &Filter, event: &Event) -> (bool, usize, bool, bool) {
    let begins = filter.event.as_str().chars().zip(event.name.as_str().chars()).take_while(|(a, b)| a == b).count();
    let resource = filter.resource.is_none() || filter.resource == event.resource;
    let action = filter.action.is_none() || filter.action == event.action;
    (filter.event == event.name, begins, resource, action)
}

/// What keeps a filter from matching the event.
fn differences(filter: &Filter, event: &Event) -> Vec<String> {
    let part = |what: &str, wanted: &dyn fmt::Display, has: Option<&dyn fmt::Display>| match has {
        Some(has) => format!("it wants the {what} {wanted}, and the event has {has}"),
        None => format!("it wants the {what} {wanted}, and the event has none"),
    };
    if filter.event != event.name {
        return vec![format!("it is not to {}", event.name)];
    }
    let mut found = Vec::new();
    if let Some(wanted) = filter.resource.as_ref().filter(|_| filter.resource != event.resource) {
        found.push(part("resource", wanted, event.resource.as_ref().map(|has| has as _)));
    }
    if let Some(wanted) = filter.action.filter(|_| filter.action != event.action) {
        found.push(part("action", &wanted, event.action.as_ref().map(|has| has as _)));
    }
    found
}

fn expiry(event: &Event, now: OffsetDateTime) -> Result<String, String> {
    let Some(expires) = event.expires else { return Ok("the event does not expire".to_owned()) };
    let expires_at = expires.format(&Rfc3339).unwrap_or_else(|_| expires.to_string());
    if event.is_expired(now) {
        Err(format!("the event expired at {expires_at}"))
    } else {
        Ok(format!("the event expires at {expires_at}"))
    }
}

/// What an event or a filter is about, as sentences name it: `portos.resources.changed on tickets (updated)`.
struct Subject<'a> {
    event: &'a str,
    resource: Option<&'a str>,
    action: Option<&'a str>,
}

impl<'a> Subject<'a> {
    fn of(event: &'a Event) -> Self {
        let resource = event.resource.as_ref().map(|resource| resource.as_str());
        Self { event: event.name.as_str(), resource, action: event.action.map(|action| action.as_str()) }
    }

    fn of_filter(filter: &'a Filter) -> Self {
        let resource = filter.resource.as_ref().map(|resource| resource.as_str());
        Self { event: filter.event.as_str(), resource, action: filter.action.map(|action| action.as_str()) }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, resource, action } = self;
        f.write_str(event)?;
        resource.map_or(Ok(()), |resource| write!(f, " on {resource}"))?;
        action.map_or(Ok(()), |action| write!(f, " ({action})"))
    }
}

/// A grant, as sentences name it: `portos.* on tickets (created, updated)`.
struct ShownGrant<'a>(&'a Grant);

impl fmt::Display for ShownGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grant = self.0;
        grant.event().fmt(f)?;
        grant.resource().map_or(Ok(()), |resource| write!(f, " on {resource}"))?;
        match grant.actions() {
            None => Ok(()),
            Some([]) => f.write_str(" (no action)"),
            Some(actions) => {
                let words: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
                write!(f, " ({})", words.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests;
