//! The cluster that the node is a part of.

use std::fmt;

use signalhub::BackplaneCounts;
use signalhub::backplane::ChannelKind;
use signalhub::connections::{ForwardKind, ForwardRefusal, TokenRefusal};
use signalhub_redis::link::{Link, LinkState};
use signalhub_redis::log::RedisLogCounts;
use signalhub_redis::watched;

use super::history::durations;
use super::labelled;
use super::page::Page;
use crate::cluster::Member;

/// Its nodes and links, what was forwarded, and which connections are claimed.
pub(super) fn cluster(page: &mut Page<'_>, member: &Member) -> fmt::Result {
    let shards: Vec<String> = (0..member.instances().all().len()).map(|number| number.to_string()).collect();
    let links = member.instances().all().iter().zip(&shards).flat_map(|(instance, shard)| {
        let used = Link::ALL.map(|link| (link, instance.state(link))).into_iter();
        let used = used.filter(|(_, state)| *state != LinkState::Unused);
        used.map(move |(link, state)| ([link.label(), shard], u64::from(state == LinkState::Connected)))
    });
    let help = "Whether a link to a Redis server is connected";
    page.gauges("signalhub_cluster_connected", help, ["link", "shard"], links)?;
    let evicting = member.instances().all().iter().zip(&shards);
    let evicting = evicting.map(|(instance, shard)| ([shard.as_str()], u64::from(instance.may_evict())));
    let help = "Whether a Redis server removes keys when its memory is full";
    page.gauges("signalhub_cluster_may_evict", help, ["shard"], evicting)?;
    page.gauge("signalhub_cluster_nodes", "Nodes that are present", member.nodes().present().len())?;
    let counts = member.counts();
    let forwards = ForwardKind::ALL.map(|kind| (kind.label(), counts.forwards(kind)));
    let help = "Requests that were forwarded to the nodes that own their connections";
    page.counters("signalhub_cluster_forwards", help, ["kind"], labelled(&forwards))?;
    let failures = counts.forward_failures();
    let failures = failures.iter().map(|(node, count)| ([node.as_str()], *count));
    let help = "Requests that could not be forwarded, by the node that owns their connections";
    page.counters("signalhub_cluster_forward_failures", help, ["node"], failures)?;
    let help = "Requests that were refused because the owner of their connection could not be found out";
    page.counter("signalhub_cluster_unavailable", help, counts.unavailable())?;
    let refused = ForwardRefusal::ALL.map(|reason| (reason.label(), counts.refused_forwards(reason)));
    let help = "Requests on cluster.listen that were refused, by reason";
    page.counters("signalhub_cluster_refused_forwards", help, ["reason"], labelled(&refused))?;
    let refused = TokenRefusal::ALL.map(|reason| (reason.label(), counts.refused_tokens(reason)));
    let help = "Connection tokens that were refused, by reason";
    page.counters("signalhub_cluster_refused_tokens", help, ["reason"], labelled(&refused))?;
    page.gauge("signalhub_cluster_claims", "Connections that the node has claimed and renews", counts.claims())?;
    let help = "Connections that are not claimed yet, because Redis could not be reached";
    page.gauge("signalhub_cluster_unclaimed", help, counts.unclaimed())?;
    let help = "Connections that were ended because another node had claimed them";
    page.counter("signalhub_cluster_lost_claims", help, counts.lost_claims())?;
    let help = "Revocations in Redis that are skipped, because no node has added them";
    page.gauge("signalhub_cluster_skipped_revocations", help, member.skipped_revocations())?;
    let help = "How often a task of the cluster has panicked and was started again";
    page.counter("signalhub_cluster_task_panics", help, watched::panics() + counts.renewal_panics())?;
    member.log_counts().map_or(Ok(()), |log| events(page, &log))
}

/// The messages of the hub that servers send to each other.
pub(super) fn backplane(page: &mut Page<'_>, counts: &BackplaneCounts) -> fmt::Result {
    let directions = [("sent", &counts.sent), ("received", &counts.received)];
    let messages = directions.into_iter().flat_map(|(direction, counts)| {
        ChannelKind::ALL.into_iter().zip(counts).map(move |(kind, count)| ([direction, kind.label()], *count))
    });
    let help = "Messages between the servers of the hub, by the kind of their channel";
    page.counters("signalhub_cluster_backplane_messages", help, ["direction", "channel"], messages)?;
    let help = "Messages to other servers that could not be sent, because Redis could not be reached";
    page.counter("signalhub_cluster_backplane_unsent", help, counts.unsent)?;
    let help = "Messages of other servers that could not be read";
    page.counter("signalhub_cluster_backplane_malformed", help, counts.malformed)?;
    let help = "Messages of other servers without a copy for the protocol of some clients";
    page.counter("signalhub_cluster_backplane_missing_copies", help, counts.missing_copies)?;
    let help = "Commands of other servers to add a client to too many groups, or to one with a long name";
    page.counter("signalhub_cluster_backplane_refused_groups", help, counts.refused_groups)
}

/// The events that all nodes share.
fn events(page: &mut Page<'_>, log: &RedisLogCounts) -> fmt::Result {
    page.counter(
        "signalhub_cluster_read_events",
        "Events that were read from Redis, those of this node too",
        log.read_events,
    )?;
    let help = "How often Redis came back with another past of an event name";
    page.counter("signalhub_cluster_forks", help, log.forks)?;
    let help = "How often events of a name could not be read any more";
    page.counter("signalhub_cluster_gaps", help, log.gaps)?;
    let help = "Names of events in Redis that are not read";
    page.gauge("signalhub_cluster_skipped_names", help, log.skipped_names)?;
    page.counter("signalhub_cluster_publish_retries", "Publishes to Redis that were tried again", log.publish_retries)?;
    durations(page, "signalhub_cluster_publish_seconds", "How long publishes to Redis took", &log.publish)?;
    durations(page, "signalhub_cluster_lag_seconds", "How long after their creation events were read", &log.lag)
}
