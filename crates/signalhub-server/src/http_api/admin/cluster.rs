//! `GET /admin/api/v1/cluster`: the cluster as this node sees it, with what the other nodes tell of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Response};
use serde::{Deserialize, Serialize};
use signalhub::connections::{Body, ForwardKind, ForwardRefusal};
use signalhub_redis::link::{Instance, Link, LinkState};
use signalhub_redis::log::RedisLogCounts;
use signalhub_redis::nodes::PresentNode;

use super::call::{Answer, Call};
use super::operated::{Clock, Operated, rfc3339};
use super::samples::{Latency, Reading, Windows};
use crate::cluster::Member;
use crate::cluster::peers::Question;
use crate::http_api::response::json_response;

/// How long the other nodes may take: operators look again and again.
const ANSWER_TIME: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Cluster {
    /// `alone` if there is no cluster; then the lists are empty.
    state: &'static str,
    node: String,
    nodes: Vec<Node>,
    /// The names of the nodes that did not answer in time.
    missing: Vec<String>,
    links: Vec<Links>,
    /// Seconds from the creation of events until this node has read them.
    lag: Option<Windows<Latency>>,
    events: Option<Events>,
    forwards: BTreeMap<&'static str, u64>,
    forward_failures: BTreeMap<String, u64>,
    refused_forwards: BTreeMap<&'static str, u64>,
    claims: usize,
    unclaimed: usize,
    lost_claims: u64,
}

/// A node that is present.
#[derive(Serialize)]
struct Node {
    name: String,
    boot: String,
    address: Option<String>,
    started: String,
    hub: String,
    formats: Vec<u32>,
    /// What the node tells of itself; nothing if it did not answer.
    #[serde(flatten)]
    own: Option<NodeNumbers>,
}

/// What a node tells of itself.
#[derive(Serialize, Deserialize)]
struct NodeNumbers {
    version: String,
    state: String,
    connections: usize,
    suspended: usize,
    subscriptions: usize,
    queued_bytes: usize,
}

/// The links to one Redis server.
#[derive(Serialize)]
struct Links {
    redis: String,
    commands: &'static str,
    reader: &'static str,
    channels: &'static str,
    since: BTreeMap<&'static str, String>,
}

/// The events that all nodes share, as this node counts them since its start.
#[derive(Serialize)]
struct Events {
    names: usize,
    read: u64,
    forks: u64,
    gaps: u64,
    publish_retries: u64,
}

/// Shows the nodes, the links to Redis, the lag, and what was forwarded.
pub(super) async fn show(operated: Arc<Operated>, _: Call) -> Answer {
    let Some(member) = operated.counts.cluster() else {
        return Ok(json_response(&alone(operated.broker.node())));
    };
    let mut numbers = BTreeMap::from([(member.nodes().own_name().to_string(), own_numbers(&operated, member))]);
    let question = Question::new(Method::GET, "state");
    let missing = member.peers().ask_all_for(&question, ANSWER_TIME, |node, own: NodeNumbers| {
        numbers.insert(node.name.to_string(), own);
    });
    let missing = missing.await;
    Ok(json_response(&of(&operated, member, numbers, missing)))
}

/// What this node tells of itself to another one.
pub(super) fn state(operated: &Operated) -> Response<Body> {
    json_response(&operated.counts.cluster().map(|member| own_numbers(operated, member)))
}

fn own_numbers(operated: &Operated, member: &Member) -> NodeNumbers {
    let listeners = || operated.counts.listeners();
    NodeNumbers {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: member.state().label().to_owned(),
        connections: listeners().map(|counts| counts.active()).sum(),
        suspended: listeners().map(|counts| counts.suspended()).sum(),
        subscriptions: operated.counts.subscriptions(),
        queued_bytes: listeners().map(|counts| counts.queued_bytes()).sum(),
    }
}

fn alone(node: &str) -> Cluster {
    Cluster {
        state: "alone",
        node: node.to_owned(),
        nodes: Vec::new(),
        missing: Vec::new(),
        links: Vec::new(),
        lag: None,
        events: None,
        forwards: BTreeMap::new(),
        forward_failures: BTreeMap::new(),
        refused_forwards: BTreeMap::new(),
        claims: 0,
        unclaimed: 0,
        lost_claims: 0,
    }
}

fn of(
    operated: &Operated,
    member: &Member,
    mut numbers: BTreeMap<String, NodeNumbers>,
    missing: Vec<String>,
) -> Cluster {
    let counts = member.counts();
    let failures = counts.forward_failures().into_iter();
    Cluster {
        state: member.state().label(),
        node: member.nodes().own_name().to_string(),
        nodes: member
            .nodes()
            .present()
            .values()
            .map(|present| node(present, numbers.remove(present.node.name.as_str())))
            .collect(),
        missing,
        links: member.instances().all().iter().map(|instance| links(instance, operated.clock)).collect(),
        lag: operated.state.samples.lag(&Reading::of(&operated.counts, &operated.broker)),
        events: member.log_counts().as_ref().map(events),
        forwards: ForwardKind::ALL.map(|kind| (kind.label(), counts.forwards(kind))).into(),
        forward_failures: failures.map(|(node, count)| (node.to_string(), count)).collect(),
        refused_forwards: ForwardRefusal::ALL.map(|reason| (reason.label(), counts.refused_forwards(reason))).into(),
        claims: counts.claims(),
        unclaimed: counts.unclaimed(),
        lost_claims: counts.lost_claims(),
    }
}

fn node(present: &PresentNode, own: Option<NodeNumbers>) -> Node {
    Node {
        name: present.node.name.to_string(),
        boot: present.boot.clone(),
        address: present.node.address.as_ref().map(ToString::to_string),
        started: rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(present.started.min(MOST_SECONDS))),
        hub: present.hub.clone(),
        formats: present.formats.clone(),
        own,
    }
}

/// The year 9999 in seconds, the last one that can be written. The time comes from another node.
const MOST_SECONDS: u64 = 253_402_300_799;

fn links(instance: &Instance, clock: Clock) -> Links {
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
        since: Link::ALL.map(|link| (link.label(), clock.written(instance.since(link)))).into(),
    }
}

fn events(log: &RedisLogCounts) -> Events {
    Events {
        names: log.names,
        read: log.read_events,
        forks: log.forks,
        gaps: log.gaps,
        publish_retries: log.publish_retries,
    }
}
