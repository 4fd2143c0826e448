//! `POST /admin/api/v1/explain`: why a client gets an event, or does not.
//!
//! In a cluster, a connection of another node is explained by that node, and those of a user by all nodes.
//!
//! The steps stand in the order in which the server takes them. The event decides first, then each connection of the client.

mod question;
mod target;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use signalhub::events::{
    Explained, ExplainedStep, LatestEvent, MatchedClients, StepOutcome, explain_event, explain_subscriber,
};
use time::OffsetDateTime;
use tokio::task::yield_now;

use self::question::{Question, Request, Subject};
use self::target::{Target, Targets};
use super::call::{Answer, Call};
use super::connections::unanswered;
use super::operated::Operated;
use super::recent_events;
use crate::cluster::peers::{self, ANSWER_TIME, Found, read};
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;

/// The steps beside those of the broker.
const CONNECTIONS: &str = "connections";
const QUEUE: &str = "queue";
const MATCHED: &str = "matched";

/// The part of the limit of a queue that does not count towards `limits.queued_bytes`: one sixteenth.
const FREE_SHARE: usize = 16;

/// The most steps of an explanation that several nodes make together.
const MOST_STEPS: usize = 1_000;

/// The answer: whether at least one connection gets the event, and why.
#[derive(Debug, Serialize, Deserialize)]
struct Explanation {
    delivered: bool,
    steps: Vec<Step>,
    /// In a cluster, the names of the nodes that did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    step: Cow<'static, str>,
    /// The node that explains; `None` without a cluster, and for steps that are the same on all nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    outcome: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Step {
    fn new(step: &'static str, outcome: StepOutcome, detail: Option<String>) -> Self {
        Self { step: step.into(), node: None, connection: None, outcome: outcome.as_str().into(), detail }
    }

    fn of(Explained { step, outcome, detail }: Explained) -> Self {
        Self::new(step.as_str(), outcome, detail)
    }

    fn at(self, connection: &str) -> Self {
        Self { connection: Some(connection.to_owned()), ..self }
    }

    /// Adds to a missing subscription that it begins behind what the client has missed.
    fn add_replay(&mut self) {
        if self.step == ExplainedStep::Subscriptions.as_str() && self.is_failed() {
            let detail = self.detail.get_or_insert_default();
            detail.push_str(
                "; the client is being sent what it has missed of this event (since), with what is published meanwhile, and its subscription begins behind that",
            );
        }
    }

    fn is_failed(&self) -> bool {
        self.outcome == StepOutcome::Fail.as_str()
    }
}

/// Tells what would happen to an event, or, with a position, what did happen to one of the latest events.
pub(super) async fn explain(operated: Arc<Operated>, call: Call) -> Answer {
    let request: Request = call.json().await?;
    let for_nodes = peers::Question::with(Method::POST, "explain", &request);
    let question = Question::read(request)?;
    let happened = happened(&operated, &question)?;
    let _permit = operated.state.limits.permit_list()?;
    let (explanation, count) = explanation(&operated, &question, happened).await;
    let Some(peers) = operated.peers() else { return Ok(json_response(&explanation)) };
    let explanation = match &question.subject {
        Subject::Connection(_) if count > 0 => explanation.without(Vec::new()),
        Subject::Connection(id) => {
            let Found { answer, missing } = peers.ask_owner(id, &for_nodes).await;
            answer.as_ref().and_then(read).unwrap_or(explanation).without(missing)
        }
        Subject::User(_) => {
            let mut parts = Vec::new();
            let missing = peers.ask_all(&for_nodes, ANSWER_TIME, |_, answer| {
                let has_none = answer.status == StatusCode::NOT_FOUND;
                parts.extend(read(&answer));
                (has_none || answer.status.is_success()).then_some(())
            });
            let missing = missing.await;
            explanation.joined(count, parts).without(missing)
        }
    };
    Ok(json_response(&explanation))
}

/// Explains the connections of this node to another one, which has the question of an operator.
pub(super) async fn for_node(operated: &Operated, request: Request) -> Answer {
    let question = Question::read(request)?;
    let happened = happened(operated, &question)?;
    let _permit = operated.state.limits.permit_list_for_node().await?;
    match explanation(operated, &question, happened).await {
        (_, 0) => Err(Problem::new(ProblemCode::UnknownConnection, "the client has no connection here")),
        (explanation, _) => Ok(json_response(&explanation)),
    }
}

/// The event that a question is about, if it was published.
fn happened(operated: &Operated, question: &Question) -> Result<Option<(LatestEvent, MatchedClients)>, Problem> {
    let find = |position: &String| recent_events::find(operated, question.event.name.as_str(), position);
    question.position.as_ref().map(find).transpose()
}

impl Explanation {
    /// Adds the explanations of other nodes to that of this one, which has found this many connections.
    fn joined(mut self, count: usize, parts: Vec<Self>) -> Self {
        if count == 0 && !parts.is_empty() {
            self.steps.retain(|step| step.step == ExplainedStep::Catalogue.as_str());
        }
        for Self { delivered, steps, .. } in parts {
            self.delivered |= delivered;
            let steps = steps.into_iter().filter(|step| step.step != ExplainedStep::Catalogue.as_str());
            let room = MOST_STEPS.saturating_sub(self.steps.len());
            self.steps.extend(steps.take(room));
        }
        self
    }

    /// Adds which nodes did not answer.
    fn without(mut self, missing: Vec<String>) -> Self {
        if let Some(step) = self.steps.iter_mut().find(|step| step.step == CONNECTIONS && step.is_failed()) {
            step.detail.get_or_insert_default().push_str(&unanswered(&missing));
        }
        Self { missing: Some(missing), ..self }
    }
}

/// The explanation, and how many connections of this node it is about.
async fn explanation(
    operated: &Operated,
    question: &Question,
    happened: Option<(LatestEvent, MatchedClients)>,
) -> (Explanation, usize) {
    let (event, now) = match &happened {
        Some((latest, _)) => (&*latest.event, latest.published),
        None => (&question.event, OffsetDateTime::now_utc()),
    };
    let catalogue = Step::of(explain_event(event, operated.broker.catalogue()));
    if catalogue.is_failed() {
        return (ended(vec![catalogue], CONNECTIONS), 0);
    }
    let targets = target::find(operated, &question.subject, &event.name).await;
    let connections = connections(&question.subject, &targets, happened.as_ref());
    let node = operated.peers().map(|peers| peers.own_name().to_owned());
    if connections.is_failed() {
        return (ended(vec![catalogue, connections], ExplainedStep::Organisation.as_str()), 0);
    }
    let connections = Step { node: node.clone(), ..connections };
    let (mut delivered, mut steps) = (false, vec![catalogue, connections]);
    for target in &targets.first {
        let mut of_target: Vec<Step> =
            explain_subscriber(event, &target.scope, &target.filters, now).into_iter().map(Step::of).collect();
        if target.is_replaying {
            of_target.iter_mut().for_each(Step::add_replay);
        }
        if let Some(unknown) = &target.unknown_scope {
            let skipped = Explained::skipped(ExplainedStep::Grants);
            of_target[1] = Step { detail: Some((*unknown).to_owned()), ..Step::of(skipped) };
        }
        match &happened {
            None => {
                of_target.push(queue(target));
                delivered |= !of_target.iter().any(Step::is_failed);
            }
            Some((latest, clients)) => {
                let would = !of_target.iter().any(Step::is_failed);
                let offered = Offered::of(target, latest, clients);
                delivered |= offered == Offered::Yes;
                of_target.push(matched(offered, latest.published, latest.matched, would));
            }
        }
        steps.extend(of_target.into_iter().map(|step| Step { node: node.clone(), ..step.at(&target.id) }));
        // A connection may have many subscriptions.
        yield_now().await;
    }
    (Explanation { delivered, steps, missing: None }, targets.count)
}

/// The explanation of an event that ends with these steps: those from `first` on are skipped.
fn ended(mut steps: Vec<Step>, first: &'static str) -> Explanation {
    let of_broker =
        [ExplainedStep::Organisation, ExplainedStep::Grants, ExplainedStep::Subscriptions, ExplainedStep::Expiry];
    let all = [CONNECTIONS].into_iter().chain(of_broker.map(ExplainedStep::as_str)).chain([QUEUE]);
    steps.extend(all.skip_while(|step| *step != first).map(|step| Step::new(step, StepOutcome::Skip, None)));
    Explanation { delivered: false, steps, missing: None }
}

fn connections(
    subject: &Subject,
    Targets { count, first }: &Targets,
    happened: Option<&(LatestEvent, MatchedClients)>,
) -> Step {
    if first.is_empty() {
        let gone = happened.map_or_else(String::new, |(latest, clients)| {
            format!("; the event matched {}, of which {} have ended since", latest.matched, clients.others)
        });
        let detail = match subject {
            Subject::User(user) => format!("user {user} has no connection{gone}"),
            Subject::Connection(id) => format!("there is no connection {id}{gone}"),
        };
        return Step::new(CONNECTIONS, StepOutcome::Fail, Some(detail));
    }
    let ids: Vec<&str> = first.iter().map(|target| target.id.as_str()).collect();
    let whose = match subject {
        Subject::User(user) => format!("{count} of user {user}"),
        Subject::Connection(_) => {
            let user = first.first().and_then(|target| target.user.as_deref());
            user.map_or_else(|| "1 without a user".to_owned(), |user| format!("1 of user {user}"))
        }
    };
    let explained = match *count > first.len() {
        true => format!(", of which the first {} are explained", first.len()),
        false => String::new(),
    };
    let dialects: Vec<String> =
        first.iter().filter_map(|target| Some(format!("; {} speaks {}", target.id, target.dialect?))).collect();
    let detail = format!("{whose}{explained}: {}{}", ids.join(", "), dialects.concat());
    Step::new(CONNECTIONS, StepOutcome::Pass, Some(detail))
}

/// Whether there is room for one more message. An empty queue takes a message of any size.
fn queue(target: &Target) -> Step {
    let (Some(traffic), Some(all)) = (target.connection.traffic(), target.connection.backlog()) else {
        return Step::new(QUEUE, StepOutcome::Fail, Some("the connection has ended meanwhile".to_owned()));
    };
    let own = Room { used: traffic.queued_bytes, limit: traffic.queue_limit };
    let all = Room { used: all.reserved, limit: all.limit };
    let detail = format!("{own}, all clients together {all} (limits.queued_bytes){}", target.away());
    Step::new(QUEUE, queue_outcome(own, all), Some(detail))
}

/// How much of a limit is used, in bytes.
#[derive(Debug, Clone, Copy)]
struct Room {
    used: usize,
    limit: usize,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", in_units(self.used), in_units(self.limit))
    }
}

/// Whether a queue takes one more message. A queue with no more than its free share does, however much all clients together have queued.
fn queue_outcome(own: Room, all: Room) -> StepOutcome {
    let needs_more = own.used >= own.limit / FREE_SHARE;
    let is_refused = own.used >= own.limit || (needs_more && all.used >= all.limit);
    if is_refused { StepOutcome::Fail } else { StepOutcome::Pass }
}

/// Whether one of the latest events was offered to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offered {
    Yes,
    No,
    /// It is not among those that are remembered, and this many more are not remembered.
    Unknown(usize),
    /// The id of the connection is also its token, and is not remembered.
    Secret,
}

impl Offered {
    fn of(target: &Target, latest: &LatestEvent, clients: &MatchedClients) -> Self {
        let is_among = clients.clients.iter().any(|client| *client.connection == *target.id);
        match (latest.matched, target.has_public_id(), is_among, clients.not_remembered) {
            (0, ..) => Self::No,
            (_, false, ..) => Self::Secret,
            (_, true, true, _) => Self::Yes,
            (_, true, false, 0) => Self::No,
            (_, true, false, more) => Self::Unknown(more),
        }
    }
}

/// Whether an event that matched this number of subscribers was offered to a connection, and whether it would be now. The other steps tell how things are
/// now.
fn matched(offered: Offered, published: OffsetDateTime, matched: usize, would: bool) -> Step {
    let published = portos_notifications::format_timestamp(published);
    let (outcome, detail) = match offered {
        Offered::Yes => (StepOutcome::Pass, format!("the event of {published} was offered to this connection")),
        Offered::No if would => {
            let detail = format!(
                "the event of {published} was not offered to this connection; it would be now, so the connection, a subscription or a grant is newer"
            );
            (StepOutcome::Fail, detail)
        }
        Offered::No => (StepOutcome::Fail, format!("the event of {published} was not offered to this connection")),
        Offered::Secret => {
            let detail = format!(
                "not remembered: the event of {published} matched {matched}, and the id of this connection is also its token (version 0 of negotiation)"
            );
            (StepOutcome::Skip, detail)
        }
        Offered::Unknown(more) => {
            let detail = format!(
                "not remembered: the event of {published} matched {matched}, and {more} of them are not remembered"
            );
            (StepOutcome::Skip, detail)
        }
    };
    Step::new(MATCHED, outcome, Some(detail))
}

/// Writes a number of bytes with the largest unit that fits, such as `1 MiB` or `1.5 KiB`.
fn in_units(bytes: usize) -> String {
    let units = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        None => format!("{bytes} bytes"),
        Some((size, unit)) if bytes.is_multiple_of(size) => format!("{} {unit}", bytes / size),
        Some((size, unit)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
    }
}

#[cfg(test)]
mod tests;
