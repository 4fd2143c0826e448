//! How events get to clients and calls are answered: connections, deliveries, times.

use std::fmt;

use signalhub::connections::{ConnectionCounts, ConnectionStatus, DeliveryOutcome, NegotiationOutcome, TransportKind};

use super::Counts;
use super::page::Page;
use crate::http_api::counts::{ANSWER_CLASSES, PublishKind};

/// With more methods than this, those that come last by name are counted as `other`.
const MOST_METHODS: usize = 50;

/// The name of methods that the hub does not have, or that are too many.
const OTHER: &str = "other";

/// What the hub's connections do. The first two metrics have the names and labels of OpenTelemetry's conventions for SignalR.
pub(super) fn connections(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    let hub = counts.connections();
    let help = "Live connections of the hub, by transport";
    let active = TransportKind::ALL.map(|kind| ([kind.label()], hub.active_by_transport(kind)));
    page.gauges("signalr_server_active_connections", help, ["signalr_transport"], active)?;
    let labels = ["signalr_transport", "signalr_connection_status"];
    let durations = TransportKind::ALL.into_iter().flat_map(|kind| {
        ConnectionStatus::ALL.map(|status| ([kind.label(), status.label()], hub.durations(kind, status)))
    });
    let help = "How long connections of the hub were live, by transport and by how they ended";
    page.histograms("signalr_server_connection_duration_seconds", help, labels, durations)?;
    let negotiations = NegotiationOutcome::ALL.map(|outcome| ([outcome.label()], hub.negotiations(outcome)));
    page.counters("signalhub_negotiations", "Negotiations, by their answer", ["outcome"], negotiations)?;
    let handshakes = counts.hub().handshakes();
    let handshakes = handshakes.iter().map(|(protocol, outcome, count)| {
        ([protocol.map_or("none", |protocol| protocol.name()), outcome.label()], *count)
    });
    let help = "Handshakes of the hub, by the protocol that was agreed on and the outcome";
    page.counters("signalhub_handshakes", help, ["protocol", "outcome"], handshakes)?;
    let verified = counts.authentications();
    let verified = verified.iter().map(|(outcome, count)| ([*outcome], *count));
    page.counters("signalhub_authentications", "Tokens that were verified, by the outcome", ["outcome"], verified)
}

/// What all listeners send and have received.
pub(super) fn traffic(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    let listeners = || counts.listeners();
    let of = |count: fn(&ConnectionCounts, TransportKind) -> u64| {
        TransportKind::ALL.map(|kind| ([kind.label()], listeners().map(|counts| count(counts, kind)).sum()))
    };
    let (received, sent) = (of(ConnectionCounts::received_bytes), of(ConnectionCounts::sent_bytes));
    page.counters("signalhub_received_bytes", "Bytes of messages from clients, by transport", ["transport"], received)?;
    page.counters("signalhub_sent_bytes", "Bytes of messages to clients, by transport", ["transport"], sent)?;
    let outcomes = DeliveryOutcome::ALL
        .map(|outcome| ([outcome.label()], listeners().map(|counts| counts.deliveries(outcome)).sum()));
    page.counters("signalhub_deliveries", "Deliveries, by what became of them", ["outcome"], outcomes)?;
    let queued: usize = listeners().map(ConnectionCounts::queued_bytes).sum();
    page.gauge("signalhub_queued_bytes", "Bytes that are queued for clients", queued)?;
    let slow: usize = listeners().map(ConnectionCounts::slow).sum();
    page.gauge("signalhub_slow_connections", "Connections with more than a quarter of their limit queued", slow)
}

/// How long events take.
pub(super) fn latencies(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    let broker = counts.broker();
    let help = "From the publish of an event until the socket of a client has taken it, at once or from its queue";
    let mut queued = counts.connections().queued_latency();
    counts.listeners().skip(1).for_each(|listener| queued += listener.queued_latency());
    let latencies = [(["inline"], broker.inline_latency()), (["queued"], queued)];
    page.histograms("signalhub_delivery_latency_seconds", help, ["path"], latencies)?;
    let help = "From the publish of an event until the last of its subscribers was offered it";
    page.histogram("signalhub_fan_out_duration_seconds", help, &broker.fan_out_duration())?;
    let requests = PublishKind::ALL.into_iter().flat_map(|kind| {
        ANSWER_CLASSES
            .iter()
            .zip(counts.publish_durations(kind))
            .map(move |(class, time)| ([kind.label(), *class], time))
    });
    let help = "How long requests of the publish API took, by kind and status code";
    page.histograms("signalhub_publish_request_duration_seconds", help, ["kind", "code"], requests)?;
    let help = "How late the tick of each second came: an overloaded server has late ticks";
    page.histogram("signalhub_event_loop_lag_seconds", help, &counts.connections().tick_lag())
}

/// How calls of the hub's methods ended.
pub(super) fn invocations(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    let (hub, mut methods) = (counts.hub(), counts.hub().method_calls());
    let others = methods.split_off(methods.len().min(MOST_METHODS));
    let sum = |count: fn(&signalhub::MethodCalls) -> u64| others.iter().map(|(_, calls)| count(calls)).sum::<u64>();
    let other =
        [sum(|calls| calls.ok), sum(|calls| calls.error) + hub.unknown_method_calls(), sum(|calls| calls.refused)];
    let named = methods.iter().map(|(name, calls)| (*name, [calls.ok, calls.error, calls.refused]));
    let all: Vec<(&str, [u64; 3])> = named.chain([(OTHER, other)]).collect();
    let all = all.iter().flat_map(|(method, calls)| {
        ["ok", "error", "refused"].into_iter().zip(calls).map(move |(outcome, count)| ([*method, outcome], *count))
    });
    let help = "Calls of hub methods that have ended, by method and outcome";
    page.counters("signalhub_invocations", help, ["method", "outcome"], all)?;
    let mut times: Vec<_> = methods.into_iter().map(|(name, calls)| ([name], calls.duration)).collect();
    let other = others.into_iter().map(|(_, calls)| calls.duration).reduce(|mut sum, more| {
        sum += more;
        sum
    });
    times.extend(other.map(|sum| ([OTHER], sum)));
    let help = "How long calls of hub methods took, up to their answer";
    page.histograms("signalhub_invocation_duration_seconds", help, ["method"], times)
}
