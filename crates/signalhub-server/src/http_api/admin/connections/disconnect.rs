//! `POST /admin/api/v1/connections:disconnect`: ends the connections of a user, an organisation or an event, one after another.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use signalhub::connections::{ConnectionSelection, Dismissal, LiveConnection, Node};
use signalhub::events::EventName;
use tokio::time::Instant;

use super::{SLICE, has_event, log_dismissals};
use crate::cluster::peers::{ANSWER_TIME, Question};
use crate::configuration::parse_duration;
use crate::http_api::admin::call::{Answer, Call};
use crate::http_api::admin::operated::{Listed, Operated};
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;

/// The longest time over which connections are ended.
const LONGEST_TIME: Duration = Duration::from_secs(60 * 60);

/// The body of a request.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http_api::admin) struct Request {
    user: Option<String>,
    organisation: Option<String>,
    event: Option<String>,
    #[serde(default = "allowed")]
    reconnect: bool,
    over: Option<String>,
    reason: Option<String>,
}

fn allowed() -> bool {
    true
}

#[derive(Serialize, Deserialize)]
struct Matched {
    matched: usize,
    /// In a cluster, the names of the nodes that did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
}

/// Ends the connections that match every given member, evenly spread over the time: in a cluster those of all nodes.
pub(in crate::http_api::admin) async fn disconnect(operated: Arc<Operated>, call: Call) -> Answer {
    let request: Request = call.json().await?;
    let question = Question::with(Method::POST, "connections:disconnect", &request);
    let mut matched = end_here(&operated, request).await?;
    let missing = match operated.peers() {
        None => None,
        Some(peers) => {
            let add = |_: &Node, of_node: Matched| matched += of_node.matched;
            Some(peers.ask_all_for(&question, ANSWER_TIME, add).await)
        }
    };
    Ok(json_response(&Matched { matched, missing }))
}

/// Ends those of this node for another one.
pub(in crate::http_api::admin) async fn disconnect_for_node(operated: &Operated, request: Request) -> Answer {
    let matched = end_here(operated, request).await?;
    Ok(json_response(&Matched { matched, missing: None }))
}

/// Begins to end the connections of this node, and returns how many there are.
async fn end_here(operated: &Operated, request: Request) -> Result<usize, Problem> {
    let (event, over) = checked(&request)?;
    let permit = Arc::clone(&operated.state.limits.disconnects).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::new(ProblemCode::TooManyLists, "as many disconnects run already"))?;
    let mut matched = Vec::new();
    {
        let _permit = operated.state.limits.permit_list()?;
        let mut selection = ConnectionSelection::default();
        (selection.user, selection.organisation) = (request.user.as_deref(), request.organisation.as_deref());
        for Listed { dialect, connections } in &operated.connections {
            for slice in connections.slices(&selection) {
                let is_wanted = |connection: &&LiveConnection| {
                    event.as_ref().is_none_or(|event| has_event(operated, *dialect, connection, event))
                };
                matched.extend(slice.iter().filter(is_wanted).cloned());
                tokio::task::yield_now().await;
            }
        }
    }
    let count = matched.len();
    let dismissal = Dismissal { allow_reconnect: request.reconnect, reason: request.reason.map(Into::into) };
    log_dismissals(count, &dismissal);
    tokio::spawn(async move {
        spread(&matched, over, |connection| connection.dismiss(dismissal.clone())).await;
        drop(permit);
    });
    Ok(count)
}

/// Reads the event and the time, and refuses what selects nothing or cannot be a name.
fn checked(request: &Request) -> Result<(Option<EventName>, Duration), Problem> {
    let Request { user, organisation, event, over, reason, .. } = request;
    let invalid = |detail: &str| Err(Problem::new(ProblemCode::InvalidMember, detail));
    if [user, organisation, event].into_iter().all(Option::is_none) {
        return Err(Problem::new(ProblemCode::MissingSelection, "expected user, organisation or event"));
    }
    if [user, organisation].into_iter().any(|text| text.as_deref() == Some("")) {
        return invalid("user and organisation: expected texts that are not empty");
    }
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > super::LONGEST_REASON) {
        return invalid("reason: expected a text of at most 256 characters");
    }
    let Ok(event) = event.as_deref().map(str::parse).transpose() else {
        return invalid("event: expected the name of an event");
    };
    let over = over.as_deref().map_or(Some(Duration::ZERO), parse_duration).filter(|over| *over <= LONGEST_TIME);
    over.map_or_else(|| invalid("over: expected a time such as \"30s\", of at most an hour"), |over| Ok((event, over)))
}

/// Does something to each item, evenly spread over a time, as a server that stops closes its connections.
pub(super) async fn spread<T>(items: &[T], over: Duration, act: impl Fn(&T)) {
    let (start, count) = (Instant::now(), items.len());
    for (number, item) in items.iter().enumerate() {
        if !over.is_zero() {
            tokio::time::sleep_until(start + over.mul_f64(number as f64 / count as f64)).await;
        } else if number.is_multiple_of(SLICE) {
            tokio::task::yield_now().await;
        }
        act(item);
    }
}
