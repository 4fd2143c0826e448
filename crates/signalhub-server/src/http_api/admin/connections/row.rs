//! What is shown of a connection: never its token, and no claims.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use signalhub::ConnectedClient;
use signalhub::connections::{LiveConnection, Resumption};
use signalhub::events::{Action, Grant, Grants};
use signalhub::protocol::Protocol;

use super::id_text;
use crate::http_api::admin::operated::{Operated, rfc3339};

/// A connection in a list.
#[derive(Serialize)]
pub(super) struct Row {
    id: String,
    /// The node that has it; `None` without a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    user: Option<String>,
    organisation: Option<String>,
    transport: &'static str,
    /// The hub protocol, or the name of the dialect; `None` before the handshake.
    protocol: Option<&'static str>,
    address: Option<IpAddr>,
    since: String,
    idle_seconds: Option<f64>,
    /// How many there are. Connections of dialects do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions: Option<usize>,
    /// Bytes.
    sent: u64,
    received: u64,
    /// How many events were written to the client.
    deliveries: u64,
    queued_bytes: usize,
    /// How long the first message in the queue has waited; `None` if the queue is empty.
    queued_oldest_seconds: Option<f64>,
    expires: Option<String>,
    stateful: bool,
}

/// One connection with what it has.
#[derive(Serialize)]
pub(super) struct Details {
    #[serde(flatten)]
    row: Row,
    subscriptions: Vec<Subscription>,
    grants: Vec<Permission>,
    groups: Vec<String>,
}

/// The subscriptions to one event and resource.
#[derive(Serialize)]
struct Subscription {
    #[serde(rename = "e")]
    event: String,
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// Absent if it is for every action.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<&'static str>>,
}

/// A grant, as it stands in a token.
#[derive(Serialize)]
struct Permission {
    #[serde(rename = "e")]
    event: String,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<&'static str>>,
}

impl Row {
    pub(super) fn new(operated: &Operated, dialect: Option<&'static str>, connection: &LiveConnection) -> Self {
        Self::of_client(operated, dialect, connection, client(operated, dialect, connection).as_ref())
    }

    fn of_client(
        operated: &Operated,
        dialect: Option<&'static str>,
        connection: &LiveConnection,
        client: Option<&ConnectedClient>,
    ) -> Self {
        let traffic = connection.traffic();
        let traffic = traffic.as_ref();
        Self {
            id: id_text(connection),
            node: operated.peers().map(|peers| peers.own_name().to_owned()),
            user: connection.user().map(str::to_owned),
            organisation: connection.organisation().map(str::to_owned),
            transport: connection.transport().label(),
            protocol: dialect.or_else(|| client.map(|client| protocol_label(client.protocol()))),
            address: connection.remote_address().map(|address| address.ip()),
            since: operated.clock.written(connection.since()),
            idle_seconds: traffic.map(|traffic| traffic.idle.as_secs_f64()),
            subscriptions: client.map(ConnectedClient::subscription_count),
            sent: traffic.map_or(0, |traffic| traffic.sent),
            received: traffic.map_or(0, |traffic| traffic.received),
            deliveries: traffic.map_or(0, |traffic| traffic.deliveries),
            queued_bytes: traffic.map_or(0, |traffic| traffic.queued_bytes),
            queued_oldest_seconds: traffic.and_then(|traffic| traffic.queued_for).map(|age| age.as_secs_f64()),
            expires: client.and_then(ConnectedClient::expires).map(rfc3339),
            stateful: connection.resumption() != Resumption::Impossible,
        }
    }
}

impl Details {
    pub(super) fn new(operated: &Operated, dialect: Option<&'static str>, connection: &LiveConnection) -> Self {
        let client = client(operated, dialect, connection);
        let client = client.as_ref();
        let mut groups: Vec<String> =
            client.map(ConnectedClient::groups).unwrap_or_default().iter().map(ToString::to_string).collect();
        groups.sort_unstable();
        let mut row = Row::of_client(operated, dialect, connection, client);
        row.subscriptions = None;
        Self {
            row,
            subscriptions: client.map(subscriptions).unwrap_or_default(),
            grants: client.map(grants).unwrap_or_default(),
            groups,
        }
    }
}

/// How many subscriptions a client of the hub has.
pub(super) fn subscription_count(
    operated: &Operated,
    dialect: Option<&str>,
    connection: &LiveConnection,
) -> Option<usize> {
    client(operated, dialect, connection).map(|client| client.subscription_count())
}

/// The client of a connection of the hub, between its handshake and its end.
fn client(operated: &Operated, dialect: Option<&str>, connection: &LiveConnection) -> Option<ConnectedClient> {
    if dialect.is_some() { None } else { operated.hub.connected_client(connection.id()) }
}

fn subscriptions(client: &ConnectedClient) -> Vec<Subscription> {
    let mut by_resource = BTreeMap::<_, Vec<Option<Action>>>::new();
    for filter in client.filters() {
        let resource = filter.resource.as_ref().map(ToString::to_string);
        by_resource.entry((filter.event.to_string(), resource)).or_default().push(filter.action);
    }
    let subscription = |((event, resource), mut actions): ((String, Option<String>), Vec<Option<Action>>)| {
        actions.sort_unstable();
        // A filter for every action covers the others.
        let actions: Option<Vec<&str>> = actions.into_iter().map(|action| action.map(Action::as_str)).collect();
        Subscription { event, resource, actions }
    };
    by_resource.into_iter().map(subscription).collect()
}

fn grants(client: &ConnectedClient) -> Vec<Permission> {
    let permission = |grant: &Grant| Permission {
        event: grant.event().to_string(),
        resource: grant.resource().map(ToString::to_string),
        actions: grant.actions().map(|actions| actions.iter().map(|action| action.as_str()).collect()),
    };
    match client.scope().as_ref().map(|scope| scope.grants()) {
        Some(Grants::All) => vec![Permission { event: "*".to_owned(), resource: None, actions: None }],
        Some(Grants::Only(grants)) => grants.iter().map(permission).collect(),
        _ => Vec::new(),
    }
}

pub(in crate::http_api::admin) fn protocol_label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json => "json",
        Protocol::MessagePack => "messagepack",
    }
}
