//! `GET /admin/api/v1/events/recent`: the latest events, and who got one of them.

use std::sync::Arc;

use serde::Serialize;
use signalhub::events::{ClientName, EventName, LatestEvent, MatchedClients, Position};

use super::call::{Answer, Call};
use super::operated::Operated;
use super::parameters::{Given, invalid};
use super::shown_event::{Payloads, ShownEvent};
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;

/// The list.
#[derive(Serialize)]
struct List<'a> {
    value: Vec<ShownEvent<'a>>,
}

/// One event, and who got it.
#[derive(Serialize)]
struct WithClients<'a> {
    #[serde(flatten)]
    event: ShownEvent<'a>,
    connections: Vec<ShownClient<'a>>,
    /// How many of those that it matched have ended since.
    ended: usize,
    /// How many are not remembered.
    not_remembered: usize,
}

#[derive(Serialize)]
struct ShownClient<'a> {
    connection: &'a str,
    user: Option<&'a str>,
}

impl<'a> ShownClient<'a> {
    fn of(client: &'a ClientName) -> Self {
        Self { connection: &client.connection, user: client.user.as_deref() }
    }
}

/// Lists the latest events, the latest first. With `event` and `position` it shows one of them, with the connections that it matched.
pub(super) async fn recent(operated: Arc<Operated>, call: Call) -> Answer {
    let given = Given::read(&call, &["event", "position"])?;
    let payloads = Payloads::of(&operated.configuration);
    let _permit = operated.state.limits.permit_list()?;
    match (given.value("event")?, given.value("position")?) {
        (None, None) => {
            let latest = operated.broker.latest_events();
            let value = latest.iter().map(|latest| ShownEvent::latest(latest, payloads)).collect();
            Ok(json_response(&List { value }))
        }
        (Some(event), Some(position)) => {
            let (latest, MatchedClients { clients, others, not_remembered, .. }) = find(&operated, event, position)?;
            let connections = clients.iter().map(ShownClient::of).collect();
            let event = ShownEvent::latest(&latest, payloads);
            Ok(json_response(&WithClients { event, connections, ended: others, not_remembered }))
        }
        _ => Err(invalid("event and position: expected both, because positions of different events are alike")),
    }
}

/// Finds one of the latest events.
pub(super) fn find(operated: &Operated, event: &str, position: &str) -> Result<(LatestEvent, MatchedClients), Problem> {
    let position: Position = position.parse().map_err(|_| {
        Problem::new(ProblemCode::InvalidPosition, "position: expected one as receipts and tails have it")
    })?;
    operated.broker.latest_event(&EventName::new(event), position).ok_or_else(|| {
        Problem::new(ProblemCode::NotFound, format!("no event \"{event}\" with this position is among the latest 100"))
    })
}
