//! `GET /admin/api/v1/cluster`: the cluster as this node sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use signalhub::connections::ForwardKind;
use signalhub_redis::link::{Instance, Link, LinkState};
use signalhub_redis::nodes::PresentNode;

use super::call::{Answer, Call};
use super::operated::{Operated, rfc3339};
use crate::cluster::Member;
use crate::http_api::response::json_response;

#[derive(Serialize)]
struct Cluster {
    /// `alone` if there is no cluster; then the lists are empty.
    state: &'static str,
    node: String,
    nodes: Vec<Node>,
    links: Vec<Links>,
    forwards: BTreeMap<&'static str, u64>,
    forward_failures: BTreeMap<String, u64>,
    claims: usize,
    unclaimed: usize,
}

/// A node that is present.
#[derive(Serialize)]
struct Node {
    name: String,
    address: Option<String>,
    started: String,
    hub: String,
    formats: Vec<u32>,
}

/// The links to one Redis server.
#[derive(Serialize)]
struct Links {
    redis: String,
    commands: &'static str,
    reader: &'static str,
    channels: &'static str,
}

/// Shows the nodes, the links to Redis, and what was forwarded.
pub(super) async fn show(operated: Arc<Operated>, _: Call) -> Answer {
    let Some(member) = operated.counts.cluster() else {
        return Ok(json_response(&alone(operated.broker.node())));
    };
    Ok(json_response(&of(member)))
}

fn alone(node: &str) -> Cluster {
    Cluster {
        state: "alone",
        node: node.to_owned(),
        nodes: Vec::new(),
        links: Vec::new(),
        forwards: BTreeMap::new(),
        forward_failures: BTreeMap::new(),
        claims: 0,
        unclaimed: 0,
    }
}

fn of(member: &Member) -> Cluster {
    let counts = member.counts();
    Cluster {
        state: member.state().label(),
        node: member.nodes().own_name().to_string(),
        nodes: member.nodes().present().values().map(node).collect(),
        links: member.instances().all().iter().map(links).collect(),
        forwards: ForwardKind::ALL.map(|kind| (kind.label(), counts.forwards(kind))).into(),
        forward_failures: counts
            .forward_failures()
            .into_iter()
            .map(|(node, count)| (node.to_string(), count))
            .collect(),
        claims: counts.claims(),
        unclaimed: counts.unclaimed(),
    }
}

fn node(present: &PresentNode) -> Node {
    Node {
        name: present.node.name.to_string(),
        address: present.node.address.as_ref().map(ToString::to_string),
        started: rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(present.started.min(MOST_SECONDS))),
        hub: present.hub.clone(),
        formats: present.formats.clone(),
    }
}

/// The year 9999 in seconds, the last one that can be written. The time comes from another node.
const MOST_SECONDS: u64 = 253_402_300_799;

fn links(instance: &Instance) -> Links {
    let state = |link| match instance.state(link) {
        LinkState::Unused => "unused",
        LinkState::Disconnected => "disconnected",
        LinkState::Connected => "connected",
    };
    Links {
        redis: instance.address().to_string(),
        commands: state(Link::Commands),
        reader: state(Link::Reader),
        channels: state(Link::Channels),
    }
}
