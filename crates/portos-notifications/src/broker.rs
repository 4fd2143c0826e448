//! Converts between the Portos wire types and those of a broker: the catalogue, events, filters, grants and receipts.

use bytes::Bytes;
use serde_json::value::RawValue;
use signalhub_events::{
    self as events, Broker, Catalogue, CatalogueError, Event, EventName, Filter, Grant, LONGEST_NAME, NameError,
    Pattern, PatternError, ResourceName, Resources, Since,
};

use crate::action::{Action, UnknownAction};
use crate::grant_claim::GrantClaim;
use crate::licence_activated::LICENCE_ACTIVATED;
use crate::notification::Notification;
use crate::payload::{CanonicalPayload, PayloadError, resource_and_action};
use crate::publish_body::PublishBody;
use crate::receipt::Receipt;
use crate::resource_changed::RESOURCES_CHANGED;
use crate::sender::NotificationSender;
use crate::subscription_request::{RequestedSince, SubscriptionRequest};

/// Creates the catalogue of the two events that Portos defines.
#[must_use]
pub fn catalogue() -> Catalogue {
    Catalogue::new()
        .with_event(EventName::new(RESOURCES_CHANGED), Resources::With)
        .with_event(EventName::new(LICENCE_ACTIVATED), Resources::Without)
}

/// Converts a publish body to an event, and checks that its payload has the form that the event requires.
///
/// # Errors
/// If the broker's catalogue does not have the event, or the payload does not have the form that the event requires.
pub fn event(body: PublishBody, broker: &Broker) -> Result<Event, EventError> {
    let PublishBody { event, payload, expires, organisation, sender } = body;
    let name = EventName::from(event.as_str());
    let declared = broker.catalogue().resources(&name);
    broker.catalogue().check(&name, declared.unwrap_or(Resources::Without))?;
    let (payload, subject) = match CanonicalPayload::check(&event, &payload)? {
        Some(CanonicalPayload { payload, resource, action }) => (payload, resource.zip(action)),
        None => {
            let subject = custom_subject(&payload, declared)?;
            (payload, subject)
        }
    };
    let mut event = Event::new(name, Bytes::from(Box::<str>::from(payload).into_string()));
    if let Some((resource, action)) = subject {
        let resource: ResourceName =
            resource.parse().map_err(|error| EventError::Name { at: "p.n".to_owned(), error })?;
        event = event.with_resource(resource).with_action(action_of(action));
    }
    event.organisation = organisation.map(Into::into);
    event.expires = expires;
    event.sender = sender.map(|sender| sender_json(&sender.complete(broker.node())));
    Ok(event)
}

/// Finds the resource and the action of an event that is not of Portos: required where it was declared with resources, and used if
/// they are there where the event is not declared.
fn custom_subject(payload: &RawValue, declared: Option<Resources>) -> Result<Option<(String, Action)>, PayloadError> {
    match (declared, resource_and_action(payload)) {
        (Some(Resources::Without), _) => Ok(None),
        (Some(Resources::With), found) => Ok(Some(found?)),
        // No subscription can ask for a resource whose name is too long.
        (None, found) => Ok(found.ok().filter(|(resource, _)| resource.len() <= LONGEST_NAME)),
    }
}

/// Why a publish body cannot become an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The event does not exist.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The payload does not have the form that the event requires.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The name of the resource is too long.
    #[error("{at}: {error}")]
    Name {
        /// The path from the publish body.
        at: String,
        /// What is wrong with the name.
        error: NameError,
    },
}

/// Makes the notification of an event, with its payload in a form that the caller can serialise. The sender is the one that the publisher
/// gave, or else the system user on the node that took the event.
///
/// # Errors
/// Fails if the event carries the sender of another dialect.
pub fn notification<P>(event: &Event, payload: P) -> Result<Notification<&str, P>, serde_json::Error> {
    let sender = match &event.sender {
        Some(json) => serde_json::from_slice(json)?,
        None => NotificationSender::system(event.node.as_deref().unwrap_or_default()),
    };
    let (created, expires) = (event.created, event.expires);
    Ok(Notification { event: event.name.as_str(), sender, reference: None, created, expires, payload })
}

/// Serialises a sender for [`Event::sender`].
fn sender_json(sender: &NotificationSender) -> Bytes {
    serde_json::to_vec(sender).expect("texts always serialise").into()
}

/// Converts a subscription request to filters: one for the whole event, or one for each resource and action.
///
/// # Errors
/// Refuses names that are missing, empty or too long, and words that are no action.
pub fn filters(request: SubscriptionRequest) -> Result<Vec<Filter>, SubscriptionRequestError> {
    let event = request.event.filter(|name| !name.is_empty()).ok_or(SubscriptionRequestError::NoEvent)?;
    let event = Filter::new(event.parse().map_err(SubscriptionRequestError::Event)?);
    let resources = request.resources.unwrap_or_default();
    if resources.is_empty() {
        return Ok(vec![event]);
    }
    let mut filters = Vec::with_capacity(resources.len());
    for resource in resources {
        let name = resource.name.filter(|name| !name.is_empty()).ok_or(SubscriptionRequestError::NoResource)?;
        let filter = event.clone().with_resource(name.parse().map_err(SubscriptionRequestError::Resource)?);
        let actions = resource.actions.unwrap_or_default();
        if actions.is_empty() {
            filters.push(filter);
            continue;
        }
        for action in actions {
            filters.push(filter.clone().with_action(action_of(action.parse()?)));
        }
    }
    Ok(filters)
}

/// Reads from where on a subscription request asks for events; `None` if it has no `since`.
///
/// # Errors
/// Refuses texts that are neither a position nor `earliest`.
pub fn since(request: &SubscriptionRequest) -> Result<Option<Since>, SubscriptionRequestError> {
    Ok(match &request.since {
        None => None,
        Some(RequestedSince::Now) => Some(Since::Now),
        Some(RequestedSince::Text(text)) if text == "earliest" => Some(Since::Earliest),
        Some(RequestedSince::Text(text)) => {
            Some(Since::Position(text.parse().map_err(|_| SubscriptionRequestError::Since)?))
        }
    })
}

/// Converts filters to the requests that ask for them, sorted: for each event one for all of it, if that is among them, and one
/// for its resources.
#[must_use]
pub fn requests(mut filters: Vec<Filter>) -> Vec<SubscriptionRequest> {
    let key = |filter: &Filter| {
        let resource = filter.resource.as_ref().map(|resource| resource.as_str().to_owned());
        (filter.event.as_str().to_owned(), resource, filter.action.map(events::Action::as_str))
    };
    filters.sort_by_cached_key(key);
    let mut requests: Vec<SubscriptionRequest> = Vec::new();
    for Filter { event, resource, action } in filters {
        let Some(resource) = resource else {
            requests.push(SubscriptionRequest::new(event.as_str()));
            continue;
        };
        let last = requests.pop_if(|last| last.resources.is_some() && last.event.as_deref() == Some(event.as_str()));
        let request = last.unwrap_or_else(|| SubscriptionRequest::new(event.as_str()));
        requests.push(with_resource(request, resource.as_str(), action.map(events::Action::as_str)));
    }
    requests
}

/// Adds a resource, or another action of the last one.
fn with_resource(mut request: SubscriptionRequest, name: &str, action: Option<&str>) -> SubscriptionRequest {
    let last = request.resources.as_mut().and_then(|resources| resources.last_mut());
    if let (Some(action), Some(last)) = (action, last)
        && last.name.as_deref() == Some(name)
        && let Some(actions) = &mut last.actions
    {
        actions.push(action.to_owned());
        return request;
    }
    request.with_resource(name, action)
}

/// Tells what is wrong with a subscription request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionRequestError {
    /// It names no event.
    #[error("\"e\" is missing: expected the name of an event, as \"portos.resources.changed\"")]
    NoEvent,
    /// The name of the event is not valid.
    #[error("\"e\": {0}")]
    Event(NameError),
    /// It has a resource without a name.
    #[error("\"n\" is missing: expected the name of a resource, as \"tickets\"")]
    NoResource,
    /// The name of a resource is not valid.
    #[error("\"n\": {0}")]
    Resource(NameError),
    /// A word is no action.
    #[error(transparent)]
    Action(#[from] UnknownAction),
    /// From where on events are wanted cannot be read.
    #[error("\"since\" is no position: expected \"<epoch>:<offset>\", \"earliest\" or null")]
    Since,
}

/// Converts a grant of a token.
///
/// # Errors
/// Refuses patterns with a `*` elsewhere than at the end, empty patterns, and words that are no action.
pub fn grant(claim: &GrantClaim) -> Result<Grant, GrantClaimError> {
    let mut grant = Grant::new(claim.event.parse::<Pattern>()?);
    if let Some(resource) = &claim.resource {
        grant = grant.with_resource(resource.parse::<Pattern>()?);
    }
    if let Some(actions) = &claim.actions {
        let actions: Result<Vec<Action>, _> = actions.iter().map(|word| word.parse()).collect();
        grant = grant.with_actions(actions?.into_iter().map(action_of));
    }
    Ok(grant)
}

/// Tells what is wrong with a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantClaimError {
    /// A name is not a valid pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A word is no action.
    #[error(transparent)]
    Action(#[from] UnknownAction),
}

/// Converts an action.
fn action_of(action: Action) -> events::Action {
    match action {
        Action::Created => events::Action::Created,
        Action::Updated => events::Action::Updated,
        Action::Deleted => events::Action::Deleted,
    }
}

/// Converts the receipt of a broker to the answer of the publish API.
#[must_use]
pub fn receipt(receipt: &events::Receipt) -> Receipt {
    let (id, position) = (receipt.id.to_string(), receipt.position.to_string());
    Receipt {
        id,
        position,
        matched: receipt.matched as u64,
        duplicate: receipt.repeat == events::Repeat::Yes,
        durable: false,
        delivered: None,
        scope: None,
        nodes: None,
        replicated: None,
    }
}

#[cfg(test)]
mod tests;
