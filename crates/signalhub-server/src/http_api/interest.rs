//! How many subscribers would get an event if it was published now: those of all nodes of a cluster.
//!
//! A publisher asks before it makes an event that is expensive to make. Nothing is published, and nothing is counted as published.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response};
use portos_notifications::{AnsweredNodes, ReceiptScope};
use serde::{Deserialize, Serialize};
use signalhub::connections::{Body, Node};
use signalhub::events::{Action, Broker, Event, EventName, Organisation, Resources};

use super::parameters::Parameters;
use super::problem::{Problem, ProblemCode};
use super::publish::PublishApi;
use super::response::json_response;
use crate::cluster::peers::Question;

/// The path.
pub(crate) const PATH: &str = "/api/v1/interest";

/// The path of the same question between nodes.
pub(super) const NODE_PATH: &str = "interest";

/// The problems that it answers with.
pub(super) const PROBLEMS: [ProblemCode; 8] = [
    ProblemCode::InvalidParameter,
    ProblemCode::UnknownEvent,
    ProblemCode::Unauthenticated,
    ProblemCode::Forbidden,
    ProblemCode::MethodNotAllowed,
    ProblemCode::RateLimited,
    ProblemCode::TooManyFailures,
    ProblemCode::Unavailable,
];

const PARAMETERS: [&str; 4] = ["event", "resource", "action", "organisation"];

/// Tells publishers what an event would match.
#[derive(Debug)]
pub(crate) struct InterestApi {
    /// It has the broker, and identifies publishers.
    publish: Arc<PublishApi>,
}

/// The event that is asked about.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Asked {
    event: String,
    resource: Option<String>,
    action: Option<String>,
    organisation: Option<String>,
}

/// The answer, with the members of a receipt that it has.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Interest {
    matched: u64,
    /// Only in a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<ReceiptScope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<AnsweredNodes>,
}

impl InterestApi {
    pub(crate) fn new(publish: Arc<PublishApi>) -> Self {
        Self { publish }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, head: &Parts) -> Response<Body> {
        let answer = match head.method {
            Method::GET | Method::HEAD => self.count(head).await,
            _ => Err(Problem::method_not_allowed("GET, HEAD")),
        };
        answer.map_or_else(|problem| self.publish.refuse(&problem), |interest| json_response(&interest))
    }

    async fn count(&self, head: &Parts) -> Result<Interest, Problem> {
        let publisher = self.publish.publisher(head).await?;
        let asked = Asked::read(&Parameters::of(&head.uri))?;
        publisher.check(&asked.event, asked.organisation.as_deref())?;
        let (broker, event) = (self.publish.broker(), asked.event()?);
        let resources = if event.resource.is_some() { Resources::With } else { Resources::Without };
        let known = broker.catalogue().check(&event.name, resources);
        known.map_err(|error| publisher.unknown_event("event", error))?;
        let mut interest = Interest::here(broker, &event);
        if let Some((peers, time)) = self.publish.peers() {
            let question = Question::with(Method::GET, NODE_PATH, &asked);
            let (mut answered, expected) = (1, 1 + peers.others().len() as u64);
            let add = |_: &Node, of_node: Interest| {
                answered += 1;
                interest.matched = interest.matched.saturating_add(of_node.matched);
            };
            peers.ask_all_for(&question, time, add).await;
            interest.scope = Some(ReceiptScope::Cluster);
            // A node may have come between the two looks at them.
            interest.nodes = Some(AnsweredNodes { answered, expected: expected.max(answered) });
        }
        Ok(interest)
    }
}

/// Counts the subscribers of this node for another one.
pub(super) fn for_node(broker: &Broker, asked: &Asked) -> Result<Interest, Problem> {
    Ok(Interest::here(broker, &asked.event()?))
}

impl Interest {
    fn here(broker: &Broker, event: &Event) -> Self {
        Self { matched: broker.interest(event) as u64, scope: None, nodes: None }
    }
}

impl Asked {
    fn read(parameters: &Parameters) -> Result<Self, Problem> {
        if let Some(name) = parameters.other_than(&PARAMETERS) {
            return Err(invalid(format!("\"{name}\" is no parameter: expected one of {}", PARAMETERS.join(", "))));
        }
        let value = |name| Ok::<_, Problem>(parameters.value(name)?.filter(|text| !text.is_empty()).map(str::to_owned));
        let event = value("event")?.ok_or_else(|| invalid("event: expected the name of an event".to_owned()))?;
        let (resource, action) = (value("resource")?, value("action")?);
        Ok(Self { event, resource, action, organisation: value("organisation")? })
    }

    fn event(&self) -> Result<Event, Problem> {
        let name: EventName = self.event.parse().map_err(|error| invalid(format!("event: {error}")))?;
        let mut event = Event::new(name, "{}");
        if let Some(resource) = &self.resource {
            event.resource = Some(resource.parse().map_err(|error| invalid(format!("resource: {error}")))?);
        }
        if let Some(word) = &self.action {
            let action = Action::ALL.into_iter().find(|action| action.as_str() == word);
            event.action =
                Some(action.ok_or_else(|| invalid("action: expected created, updated or deleted".to_owned()))?);
        }
        if let Some(name) = &self.organisation {
            let organisation: Organisation = name.parse().map_err(|error| invalid(format!("organisation: {error}")))?;
            event.organisation = Some(organisation);
        }
        Ok(event)
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemCode::InvalidParameter, detail)
}
