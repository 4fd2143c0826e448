//! `/admin/api/v1/connections`: the live connections of the hub and of the dialects, one by one, and their end.
//!
//! In a cluster they are those of all nodes. Each node is asked for its part, and one that does not answer in time is named as missing.
//!
//! A list looks at every connection once. It yields between slices, so that other work is not delayed, and only a few lists are
//! made at the same time.

mod disconnect;
mod query;
mod row;

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signalhub::connections::{Body, ConnectionId, ConnectionTraffic, Dismissal, LiveConnection, Node};
use signalhub::events::EventName;

use super::call::{Answer, Call};
use super::operated::{Listed, Operated};
use crate::cluster::peers::{ANSWER_TIME, Found, Question, read};
use crate::http_api::parameters::Parameters;
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;
pub(super) use disconnect::{disconnect, disconnect_for_node};
use query::{Cursor, Query};
pub(super) use query::{DEFAULT_LIMIT, MOST_ROWS, Sort};
pub(super) use row::protocol_label;
use row::{Details, Row};

/// How many connections are looked at before other work gets its turn.
const SLICE: usize = 256;

/// The longest reason that a client is told, in characters.
pub(super) const LONGEST_REASON: usize = 256;

/// One page of a list.
#[derive(Serialize)]
struct Page {
    value: Vec<AnyRow>,
    /// What `after` must be to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// In a cluster, the names of the nodes that did not answer: their connections are not in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
}

/// A row of this node, or of another one as that has written it.
#[derive(Serialize)]
#[serde(untagged)]
enum AnyRow {
    Own(Box<Row>),
    Other(Value),
}

/// A row and its place in the list.
#[derive(Serialize)]
struct PlacedRow {
    at: Cursor,
    row: AnyRow,
}

/// The first rows of one node or of several, in order.
#[derive(Default, Serialize)]
struct Rows {
    rows: Vec<PlacedRow>,
    has_more: bool,
}

/// [`Rows`] as another node has written them.
#[derive(Deserialize)]
struct RowsOfNode {
    rows: Vec<RowOfNode>,
    has_more: bool,
}

#[derive(Deserialize)]
struct RowOfNode {
    at: Cursor,
    row: Value,
}

/// A connection, and the value that it is sorted by.
struct Ranked {
    cursor: Cursor,
    dialect: Option<&'static str>,
    connection: LiveConnection,
}

/// Lists connections, in a cluster those of all nodes.
pub(super) async fn list(operated: Arc<Operated>, call: Call) -> Answer {
    let query = Query::read(&call.query())?;
    let _permit = operated.state.limits.permit_list()?;
    let own_name = operated.node_name();
    let other = query.node.as_deref().filter(|node| *node != own_name);
    let mut rows = if other.is_none() { own_rows(&operated, &query).await } else { Rows::default() };
    let missing = match (operated.peers(), other, &query.node) {
        (_, None, Some(_)) => None,
        (None, Some(node), _) => return Err(unknown_node(node)),
        (None, None, None) => None,
        (Some(peers), other, _) => {
            let question =
                Question::new(Method::GET, format!("connections?{}", call.head.uri.query().unwrap_or_default()));
            let mut take = |_: &Node, of_node: RowsOfNode| rows.add(of_node, query.limit);
            Some(match other {
                None => peers.ask_all_for(&question, ANSWER_TIME, take).await,
                Some(name) => {
                    let others = peers.others();
                    let node =
                        others.iter().find(|node| node.name.as_str() == name).ok_or_else(|| unknown_node(name))?;
                    match peers.ask(node, &question).await.as_ref().and_then(read) {
                        Some(of_node) => {
                            take(node, of_node);
                            Vec::new()
                        }
                        None => vec![name.to_owned()],
                    }
                }
            })
        }
    };
    let next = rows.rows.last().filter(|_| rows.has_more).map(|last| last.at.to_string());
    let value = rows.rows.into_iter().map(|placed| placed.row).collect();
    Ok(json_response(&Page { value, next, missing }))
}

/// Lists connections of this node, for another one that puts them together with its own.
pub(super) async fn list_for_node(operated: &Operated, parameters: &Parameters) -> Answer {
    let query = Query::read(parameters)?;
    let _permit = operated.state.limits.permit_list_for_node().await?;
    Ok(json_response(&own_rows(operated, &query).await))
}

fn unknown_node(name: &str) -> Problem {
    Problem::new(ProblemCode::InvalidParameter, format!("node: no node \"{name}\" is present"))
}

impl Rows {
    /// Adds the rows of another node, and keeps the first ones.
    fn add(&mut self, of_node: RowsOfNode, limit: usize) {
        let rows = of_node.rows.into_iter().map(|RowOfNode { at, row }| PlacedRow { at, row: AnyRow::Other(row) });
        self.rows.extend(rows);
        self.rows.sort_unstable_by(|one, other| one.at.order(&other.at));
        self.has_more |= of_node.has_more || self.rows.len() > limit;
        self.rows.truncate(limit);
    }
}

/// The first connections of this node.
async fn own_rows(operated: &Operated, query: &Query) -> Rows {
    let mut ranked = Vec::new();
    for Listed { dialect, connections } in &operated.connections {
        for slice in connections.slices(&query.selection()) {
            let wanted = slice.iter().filter(|connection| is_wanted(operated, *dialect, connection, query));
            ranked.extend(wanted.map(|connection| Ranked {
                cursor: Cursor { rank: rank(operated, *dialect, connection, query.sort), id: id_text(connection) },
                dialect: *dialect,
                connection: connection.clone(),
            }));
            tokio::task::yield_now().await;
        }
    }
    let (ranked, next) = page(ranked, |ranked| &ranked.cursor, query.limit, query.after.as_ref());
    let rows = ranked.into_iter().map(|ranked| PlacedRow {
        row: AnyRow::Own(Box::new(Row::new(operated, ranked.dialect, &ranked.connection))),
        at: ranked.cursor,
    });
    Rows { rows: rows.collect(), has_more: next.is_some() }
}

/// Returns the first items behind a place, in order, and the place of the last one if there are more.
fn page<T>(
    mut items: Vec<T>,
    place: impl Fn(&T) -> &Cursor,
    limit: usize,
    after: Option<&Cursor>,
) -> (Vec<T>, Option<Cursor>) {
    let order = |one: &T, other: &T| place(one).order(place(other));
    if let Some(after) = after {
        items.retain(|item| place(item).is_behind(after));
    }
    let is_last = items.len() <= limit;
    if !is_last {
        // The first ones come to the front, in no order.
        items.select_nth_unstable_by(limit, order);
        items.truncate(limit);
    }
    items.sort_unstable_by(order);
    let next = items.last().filter(|_| !is_last).map(|last| place(last).clone());
    (items, next)
}

/// Shows one connection, of this node or of another one of the cluster.
pub(super) async fn show(operated: Arc<Operated>, call: Call) -> Answer {
    match find(&operated, &call.parameter) {
        Some((dialect, connection)) => Ok(json_response(&Details::new(&operated, dialect, &connection))),
        None => Ok(json_response(&elsewhere(&operated, &call).await?)),
    }
}

/// Shows a connection of this node to another one.
pub(super) fn show_for_node(operated: &Operated, id: &str) -> Answer {
    let (dialect, connection) = find(operated, id).ok_or_else(|| unknown(&[]))?;
    Ok(json_response(&Details::new(operated, dialect, &connection)))
}

/// Ends one connection, of this node or of another one of the cluster.
pub(super) async fn remove(operated: Arc<Operated>, call: Call) -> Answer {
    let dismissal = query::dismissal(&call.query())?;
    match find(&operated, &call.parameter) {
        Some((_, connection)) => Ok(dismiss(&connection, dismissal)),
        None => elsewhere(&operated, &call).await.map(|_| accepted()),
    }
}

/// Ends a connection of this node for another one.
pub(super) fn remove_for_node(operated: &Operated, id: &str, parameters: &Parameters) -> Answer {
    let dismissal = query::dismissal(parameters)?;
    let (_, connection) = find(operated, id).ok_or_else(|| unknown(&[]))?;
    Ok(dismiss(&connection, dismissal))
}

fn dismiss(connection: &LiveConnection, dismissal: Dismissal) -> Response<Body> {
    log_dismissals(1, &dismissal);
    connection.dismiss(dismissal);
    accepted()
}

fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

/// Asks the node that has a connection the same, and returns its answer.
async fn elsewhere(operated: &Operated, call: &Call) -> Result<Value, Problem> {
    let Some(peers) = operated.peers() else { return Err(unknown(&[])) };
    let query = call.head.uri.query().unwrap_or_default();
    let question = Question::new(call.head.method.clone(), format!("connections/{}?{query}", call.parameter));
    let Found { answer, missing } = peers.ask_owner(&call.parameter, &question).await;
    let answer = answer.ok_or_else(|| unknown(&missing))?;
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// The problem that there is no such connection, as far as is known without these nodes.
fn unknown(missing: &[String]) -> Problem {
    let detail = "no live connection has this id".to_owned();
    Problem::new(ProblemCode::UnknownConnection, detail + &unanswered(missing))
}

/// What is said of nodes that did not answer.
pub(super) fn unanswered(missing: &[String]) -> String {
    match missing {
        [] => String::new(),
        [node] => format!("; node {node} did not answer"),
        nodes => format!("; nodes {} did not answer", nodes.join(", ")),
    }
}

/// Logs that connections are ended. Users and ids do not stand in the log; the reason is the operator's own.
fn log_dismissals(count: usize, dismissal: &Dismissal) {
    let (reconnect, reason) = (dismissal.allow_reconnect, dismissal.reason.as_deref());
    tracing::info!(count, reconnect, reason, "an operator ends connections");
}

/// Finds a connection of this node.
fn find(operated: &Operated, id: &str) -> Option<(Option<&'static str>, LiveConnection)> {
    let id = ConnectionId::new(id);
    operated.connections.iter().find_map(|Listed { dialect, connections }| Some((*dialect, connections.find(&id)?)))
}

/// The id of a connection, unless it is also its token.
fn id_text(connection: &LiveConnection) -> String {
    connection.id().for_log().to_owned()
}

/// Tells whether a connection is one of those that the parts of a query beside its selection ask for.
fn is_wanted(operated: &Operated, dialect: Option<&str>, connection: &LiveConnection, query: &Query) -> bool {
    query.event.as_ref().is_none_or(|event| has_event(operated, dialect, connection, event))
        && (!query.slow || connection.traffic().is_some_and(|traffic| is_slow(&traffic)))
}

/// Tells whether more than a quarter of the limit is queued.
pub(super) fn is_slow(traffic: &ConnectionTraffic) -> bool {
    traffic.queued_bytes > traffic.queue_limit / 4
}

/// Tells whether a client of the hub has subscribed to an event.
fn has_event(operated: &Operated, dialect: Option<&str>, connection: &LiveConnection, event: &EventName) -> bool {
    let client = operated.hub.connected_client(connection.id()).filter(|_| dialect.is_none());
    client.is_some_and(|client| client.has_event(event))
}

/// The number that a connection is sorted by; higher ones come first.
fn rank(operated: &Operated, dialect: Option<&str>, connection: &LiveConnection, sort: Sort) -> u64 {
    match sort {
        Sort::Age => u64::MAX - operated.clock.micros(connection.since()),
        Sort::Subscriptions => row::subscription_count(operated, dialect, connection).unwrap_or_default() as u64,
        Sort::Queued => connection.traffic().map_or(0, |traffic| traffic.queued_bytes as u64),
        Sort::Sent => connection.traffic().map_or(0, |traffic| traffic.sent),
    }
}

#[cfg(test)]
mod tests;
