//! `/admin/api/v1/connections`: the live connections of the hub and of the dialects, one by one, and their end.
//!
//! A list looks at every connection once. It yields between slices, so that other work is not delayed, and only a few lists are
//! made at the same time.

mod disconnect;
mod query;
mod row;

use std::sync::Arc;

use http::{Response, StatusCode};
use serde::Serialize;
use signalhub::connections::{Body, ConnectionId, ConnectionTraffic, Dismissal, LiveConnection};
use signalhub::events::EventName;

use super::call::{Answer, Call};
use super::operated::{Listed, Operated};
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;
pub(super) use disconnect::disconnect;
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
    value: Vec<Row>,
    /// What `after` must be to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A connection, and the value that it is sorted by.
struct Ranked {
    cursor: Cursor,
    dialect: Option<&'static str>,
    connection: LiveConnection,
}

/// Lists connections.
pub(super) async fn list(operated: Arc<Operated>, call: Call) -> Answer {
    let query = Query::read(&call.query())?;
    let _permit = operated.state.limits.permit_list()?;
    let mut ranked = Vec::new();
    for Listed { dialect, connections } in &operated.connections {
        for slice in connections.slices(&query.selection()) {
            let wanted = slice.iter().filter(|connection| is_wanted(&operated, *dialect, connection, &query));
            ranked.extend(wanted.map(|connection| Ranked {
                cursor: Cursor { rank: rank(&operated, *dialect, connection, query.sort), id: id_text(connection) },
                dialect: *dialect,
                connection: connection.clone(),
            }));
            tokio::task::yield_now().await;
        }
    }
    let (ranked, next) = page(ranked, |ranked| &ranked.cursor, query.limit, query.after.as_ref());
    let next = next.map(|next| next.to_string());
    let value = ranked.iter().map(|ranked| Row::new(&operated, ranked.dialect, &ranked.connection)).collect();
    Ok(json_response(&Page { value, next }))
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

/// Shows one connection.
pub(super) async fn show(operated: Arc<Operated>, call: Call) -> Answer {
    let (dialect, connection) = find(&operated, &call.parameter)?;
    Ok(json_response(&Details::new(&operated, dialect, &connection)))
}

/// Ends one connection.
pub(super) async fn remove(operated: Arc<Operated>, call: Call) -> Answer {
    let dismissal = query::dismissal(&call.query())?;
    let (_, connection) = find(&operated, &call.parameter)?;
    log_dismissals(1, &dismissal);
    connection.dismiss(dismissal);
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// Logs that connections are ended. Users and ids do not stand in the log; the reason is the operator's own.
fn log_dismissals(count: usize, dismissal: &Dismissal) {
    let (reconnect, reason) = (dismissal.allow_reconnect, dismissal.reason.as_deref());
    tracing::info!(count, reconnect, reason, "an operator ends connections");
}

fn find(operated: &Operated, id: &str) -> Result<(Option<&'static str>, LiveConnection), Problem> {
    let id = ConnectionId::new(id);
    let found = operated
        .connections
        .iter()
        .find_map(|Listed { dialect, connections }| Some((*dialect, connections.find(&id)?)));
    found.ok_or_else(|| Problem::new(ProblemCode::UnknownConnection, "no live connection has this id"))
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
