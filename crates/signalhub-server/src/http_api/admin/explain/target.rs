//! The connections of a client, with what they may see and have subscribed to.

use std::collections::HashSet;

use signalhub::connections::{ConnectionId, ConnectionSelection, LiveConnection, Resumption};
use signalhub::events::{AttachedClient, ClientName, EventName, Filter, Grants, Organisation, Scope};
use tokio::task::yield_now;

use super::Subject;
use crate::http_api::admin::operated::{Listed, Operated};

/// How many connections of a user are explained.
pub(super) const MOST_TARGETS: usize = 100;

/// How many subscribers of connections of dialects are looked at. A connection may have several.
const MOST_SUBSCRIBERS: usize = 1_000;

/// A connection.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) connection: LiveConnection,
    /// Its id as it may be shown.
    pub(super) id: String,
    pub(super) user: Option<String>,
    pub(super) dialect: Option<&'static str>,
    pub(super) scope: Scope,
    pub(super) filters: Vec<Filter>,
    /// Whether it is being sent what it has missed of the event; its subscription begins behind that.
    pub(super) is_replaying: bool,
    /// Why its grants are not known.
    pub(super) unknown_scope: Option<&'static str>,
}

/// The connections of a client.
#[derive(Debug)]
pub(super) struct Targets {
    /// How many there are.
    pub(super) count: usize,
    /// The oldest of them, at most [`MOST_TARGETS`].
    pub(super) first: Vec<Target>,
}

/// Finds the connections. It looks at what the oldest may see and have subscribed to, with a pause after each, so that other work is not delayed.
pub(super) async fn find(operated: &Operated, subject: &Subject, event: &EventName) -> Targets {
    let mut live: Vec<(Option<&'static str>, LiveConnection)> = Vec::new();
    for Listed { dialect, connections } in &operated.connections {
        match subject {
            Subject::User(user) => {
                let mut selection = ConnectionSelection::default();
                selection.user = Some(user);
                live.extend(connections.list(&selection).into_iter().map(|connection| (*dialect, connection)));
            }
            Subject::Connection(id) => {
                live.extend(
                    connections.find(&ConnectionId::from(id.as_str())).map(|connection| (*dialect, connection)),
                );
            }
        }
    }
    let count = live.len();
    live.sort_by_key(|(_, connection)| connection.since());
    live.truncate(MOST_TARGETS);
    let of_dialects: HashSet<&str> =
        live.iter().filter(|(dialect, _)| dialect.is_some()).map(|(_, connection)| connection.id().as_str()).collect();
    let attached = if of_dialects.is_empty() {
        Vec::new()
    } else {
        let is_wanted = |client: &ClientName| of_dialects.contains(&*client.connection);
        operated.broker.attached_clients(MOST_SUBSCRIBERS, is_wanted).await
    };
    let mut first = Vec::with_capacity(live.len());
    for (dialect, connection) in live {
        first.push(Target::new(operated, dialect, connection, event, &attached));
        yield_now().await;
    }
    Targets { count, first }
}

impl Target {
    fn new(
        operated: &Operated,
        dialect: Option<&'static str>,
        connection: LiveConnection,
        event: &EventName,
        attached: &[AttachedClient],
    ) -> Self {
        let (id, user) = (connection.id().for_log().to_owned(), connection.user().map(str::to_owned));
        let own = || Scope::new(connection.organisation().map(Organisation::new), Grants::All);
        let client = operated.hub.connected_client(connection.id()).filter(|_| dialect.is_none());
        let is_replaying = client.as_ref().is_some_and(|client| client.is_replaying(event));
        let (scope, filters, unknown_scope) = match dialect {
            None => match client {
                Some(client) => match client.scope() {
                    Some(scope) => (scope, client.filters(), None),
                    None => (
                        own(),
                        Vec::new(),
                        Some("the grants of its token cannot be read, so it can subscribe to nothing"),
                    ),
                },
                None => (own(), Vec::new(), Some("the connection has not completed its handshake")),
            },
            Some(_) => {
                let mut of_connection =
                    attached.iter().filter(|attached| *attached.client.connection == *id).peekable();
                match of_connection.peek().map(|attached| attached.scope.clone()) {
                    Some(scope) => (scope, of_connection.flat_map(|attached| attached.filters.clone()).collect(), None),
                    None => (own(), Vec::new(), Some("the connection has subscribed to nothing yet")),
                }
            }
        };
        Self { connection, id, user, dialect, scope, filters, is_replaying, unknown_scope }
    }

    /// Whether its id is not also its token, as in version 0 of negotiation.
    pub(super) fn has_public_id(&self) -> bool {
        self.connection.id().is_public()
    }

    /// That the client is away, if it is.
    pub(super) fn away(&self) -> &'static str {
        match self.connection.resumption() {
            Resumption::Suspended => "; the client is away, and gets the message if it reconnects in time",
            _ => "",
        }
    }
}
