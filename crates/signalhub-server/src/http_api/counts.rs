//! What a node counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use signalhub::connections::{self, ClientError, ConnectionCounts, Issuers};
use signalhub::events::{Broker, HistoryCounts, IdempotencyCounts, LogCounts};
use signalhub::{CallError, Hub, Replays};
use signalhub_counters::{Histogram, Observed, REQUESTS};
use tokio::time::Instant;

use super::problem::ProblemCode;
use crate::cluster::Member;
use crate::configuration::{Auth, ClientName};
use crate::key_fetch::{KeyFetches, Outcome};
use crate::listener_tls::ListenerTls;
use crate::traces::Traces;

/// Counts what a node has and what it refused, also while it runs and after its end.
#[derive(Clone, Debug)]
pub struct Counts {
    connections: ConnectionCounts,
    /// Those of the other listeners.
    others: Vec<ConnectionCounts>,
    /// Those of the dialects that are on, with their names.
    dialects: Vec<(&'static str, ConnectionCounts)>,
    hub: Hub,
    broker: Broker,
    publishes: Arc<PublishCounters>,
    tls: Option<Arc<ListenerTls>>,
    issuers: Option<IssuerCounts>,
    traces: Traces,
    cluster: Option<Member>,
}

/// Counts the keys of issuers.
#[derive(Clone, Debug)]
pub(crate) struct IssuerCounts {
    names: Vec<String>,
    tokens: Arc<Issuers>,
    fetches: KeyFetches,
}

impl IssuerCounts {
    pub(crate) fn new(auth: &Auth, tokens: Arc<Issuers>, fetches: KeyFetches) -> Self {
        let names = auth.issuers.iter().map(|issuer| issuer.issuer.clone()).collect();
        Self { names, tokens, fetches }
    }

    /// How many keys each issuer has, in the order of the configuration.
    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        self.names.iter().map(|name| self.tokens.key_count(name))
    }

    /// How many fetches of keys there were, by outcome. `None` if no keys are fetched.
    pub(crate) fn fetches(&self) -> Option<[(&'static str, u64); Outcome::ALL.len()]> {
        self.fetches.outcomes()
    }
}

impl Counts {
    pub(crate) fn new(
        connections: ConnectionCounts,
        hub: Hub,
        broker: Broker,
        publishes: Arc<PublishCounters>,
    ) -> Self {
        Self {
            connections,
            others: Vec::new(),
            dialects: Vec::new(),
            hub,
            broker,
            publishes,
            tls: None,
            issuers: None,
            traces: Traces::default(),
            cluster: None,
        }
    }

    /// Adds what another listener refuses.
    pub(crate) fn add_listener(&mut self, listener: ConnectionCounts) {
        self.others.push(listener);
    }

    /// Adds what the listeners of dialects count.
    pub(crate) fn with_dialects(self, dialects: Vec<(&'static str, ConnectionCounts)>) -> Self {
        Self { dialects, ..self }
    }

    /// What the listeners of dialects count, with the names of the dialects.
    pub(crate) fn dialects(&self) -> &[(&'static str, ConnectionCounts)] {
        &self.dialects
    }

    /// What all listeners count.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = &ConnectionCounts> {
        let dialects = self.dialects.iter().map(|(_, counts)| counts);
        std::iter::once(&self.connections).chain(&self.others).chain(dialects)
    }

    /// Adds the TLS of the listeners.
    pub(crate) fn with_tls(self, tls: Option<Arc<ListenerTls>>) -> Self {
        Self { tls, ..self }
    }

    /// Adds the cluster that the node is a part of.
    pub(crate) fn with_cluster(self, cluster: Option<Member>) -> Self {
        Self { cluster, ..self }
    }

    /// The cluster that the node is a part of, if there is one.
    pub(crate) fn cluster(&self) -> Option<&Member> {
        self.cluster.as_ref()
    }

    /// Adds what records spans.
    pub(crate) fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Counts the spans that were dropped; `None` if none are recorded.
    pub(crate) fn dropped_spans(&self) -> Option<u64> {
        self.traces.dropped()
    }

    /// Adds the keys of issuers.
    pub(crate) fn with_issuers(self, issuers: IssuerCounts) -> Self {
        Self { issuers: Some(issuers), ..self }
    }

    /// The keys of issuers.
    pub(crate) fn issuers(&self) -> Option<&IssuerCounts> {
        self.issuers.as_ref()
    }

    /// Why the server should get no new connections; `None` if it should. It may have no keys of an issuer, or no Redis.
    pub(crate) fn unready(&self) -> Option<String> {
        let missing_keys = self.issuers.as_ref().and_then(|issuers| issuers.fetches.missing_keys());
        missing_keys.or_else(|| self.cluster.as_ref()?.unready())
    }

    /// The TLS of the listeners, if they speak it.
    pub(crate) fn tls(&self) -> Option<&ListenerTls> {
        self.tls.as_deref()
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// How many tokens were verified so far, by outcome.
    pub(crate) fn authentications(&self) -> Vec<(&'static str, u64)> {
        self.issuers.iter().flat_map(|issuers| issuers.tokens.verifications()).collect()
    }

    /// How long requests of the publish API took, in the order of [`ANSWER_CLASSES`].
    pub(crate) fn publish_durations(&self, kind: PublishKind) -> [Observed; ANSWER_CLASSES.len()] {
        self.publishes.durations.each[kind as usize].each_ref().map(Histogram::observed)
    }

    /// Counts a refusal of a route that is no part of the publish API.
    pub(crate) fn count_problem(&self, code: ProblemCode) {
        self.publishes.count(code);
    }

    /// Counts the connections of the public listener.
    pub fn connections(&self) -> &ConnectionCounts {
        &self.connections
    }

    /// Counts the subscriptions of all connections.
    pub fn subscriptions(&self) -> usize {
        self.broker.subscription_count()
    }

    /// Counts the events that were published so far.
    pub fn published(&self) -> u64 {
        self.broker.published_count()
    }

    /// Counts the deliveries so far: for each event, the subscribers that it matched.
    pub fn matched(&self) -> u64 {
        self.broker.matched_count()
    }

    /// Counts the errors of clients so far, by label; without those of limits.
    pub(crate) fn client_errors(&self) -> Vec<(&'static str, u64)> {
        let count = |error| self.listeners().map(|counts| counts.client_errors(error)).sum();
        let requests = ClientError::ALL.map(|error| (error.label(), count(error)));
        let calls = CallError::ALL.map(|error| (error.label(), self.hub.call_errors(error)));
        let publishes = ProblemCode::ALL.iter().map(|code| (code.label(), self.publishes.of(*code)));
        requests.into_iter().chain(calls).chain(publishes).collect()
    }

    /// Counts the notifications that each client of `publish.clients` published so far, by name.
    pub(crate) fn published_by_clients(&self) -> Vec<(&str, u64)> {
        self.publishes.clients.labelled().collect()
    }

    /// Which events are kept for clients that were away.
    pub(crate) fn history(&self) -> HistoryCounts {
        self.broker.history_counts()
    }

    /// What became of publishes with idempotency keys.
    pub(crate) fn idempotency(&self) -> IdempotencyCounts {
        self.broker.idempotency_counts()
    }

    /// What the history on disk does, if there is one.
    pub(crate) fn log(&self) -> Option<LogCounts> {
        self.broker.log_counts()
    }

    /// How clients that were away were answered.
    pub(crate) fn replays(&self) -> Replays {
        self.hub.replays()
    }

    /// What was refused so far.
    pub fn refusals(&self) -> Refusals {
        Refusals {
            connections: self
                .listeners()
                .map(ConnectionCounts::refusals)
                .fold(Default::default(), |sum, more| sum + more),
            hub: self.hub.refused_calls(),
            publishes: self.publishes.so_far(),
        }
    }
}

/// How much a node refused since it started because of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// Sockets, negotiations and connections.
    pub connections: connections::LimitRefusals,
    /// Calls and subscriptions.
    pub hub: signalhub::RefusedCalls,
    /// Requests of the publish API.
    pub publishes: PublishRefusals,
}

impl Refusals {
    /// What one listener refused.
    pub(crate) fn of_listener(counts: &ConnectionCounts) -> Self {
        Self { connections: counts.refusals(), ..Self::default() }
    }

    /// All of them, with the name that operators see.
    pub(crate) fn named(&self) -> [(&'static str, u64); 25] {
        let Self { connections, hub, publishes } = self;
        [
            ("draining", connections.draining),
            ("pending_negotiations", connections.pending_negotiations),
            ("pending_negotiations_per_user", connections.pending_negotiations_per_user),
            ("pending_negotiations_per_address", connections.pending_negotiations_per_address),
            ("connections", connections.connections),
            ("connections_per_user", connections.per_user),
            ("connections_per_address", connections.per_address),
            ("sockets_per_address", connections.sockets_per_address),
            ("file_descriptors", connections.descriptors),
            ("idle_socket", connections.evicted_sockets),
            ("failed_authentications", connections.failed_authentications + publishes.failed_authentications),
            ("foreign_origin", connections.foreign_origins),
            ("header_timeout", connections.header_timeouts),
            ("idle_timeout", connections.idle_timeouts),
            ("body_timeout", connections.body_timeouts),
            ("send_timeout", connections.send_timeouts),
            ("head_size", connections.large_heads),
            ("body_size", connections.large_bodies),
            ("sessions", connections.sessions),
            ("invocation_rate", hub.invocations + connections.commands),
            ("streams", hub.streams),
            ("subscriptions_per_connection", hub.subscriptions + connections.subscriptions),
            ("publish_rate", publishes.rate_limited + connections.publishes),
            ("publish_size", publishes.too_large),
            ("publish_body_timeout", publishes.body_timeout),
        ]
    }
}

/// How many requests the publish API refused since it started, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishRefusals {
    /// Requests of publishers above their rate.
    pub rate_limited: u64,
    /// Requests whose body or batch was too large.
    pub too_large: u64,
    /// Requests whose body took too long.
    pub body_timeout: u64,
    /// Requests with keys and wrong tokens from addresses that had sent too many wrong ones.
    pub failed_authentications: u64,
}

/// What a request of the publish API publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublishKind {
    /// One notification, or what is not known to be anything else.
    Single,
    /// An array of notifications.
    Batch,
    /// One CloudEvent, or an array of them.
    CloudEvent,
}

impl PublishKind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Single, Self::Batch, Self::CloudEvent];

    /// The name in metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Batch => "batch",
            Self::CloudEvent => "cloudevent",
        }
    }
}

/// The classes of status codes that answers have.
pub(crate) const ANSWER_CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];

/// How long requests took, by kind and class of the status code.
#[derive(Debug)]
struct PublishDurations {
    each: [[Histogram<{ REQUESTS.len() }>; ANSWER_CLASSES.len()]; PublishKind::ALL.len()],
}

impl Default for PublishDurations {
    fn default() -> Self {
        Self { each: PublishKind::ALL.map(|_| ANSWER_CLASSES.map(|_| Histogram::new(&REQUESTS))) }
    }
}

/// The running count of what the publish API refused, how long its requests took, and of what clients with a name published.
#[derive(Debug)]
pub(crate) struct PublishCounters {
    durations: PublishDurations,
    refused: [AtomicU64; ProblemCode::ALL.len()],
    clients: Arc<ClientCounters>,
}

/// The running count of what each client with a name published.
#[derive(Debug)]
pub(crate) struct ClientCounters(Vec<(Arc<str>, Arc<AtomicU64>)>);

impl ClientCounters {
    /// The maximum number of names that are counted apart, so that metrics stay small. The others share one counter.
    const MOST_NAMES: usize = 50;

    /// Creates counters for these names, in which one may occur several times.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a ClientName>) -> Self {
        let mut counters: Vec<(Arc<str>, Arc<AtomicU64>)> = Vec::new();
        for name in names {
            let label = if counters.len() < Self::MOST_NAMES { name.as_str() } else { ClientName::OTHERS };
            let is_known = |name: &str| counters.iter().any(|(known, _)| **known == *name);
            if !is_known(name.as_str()) && !is_known(label) {
                counters.push((label.into(), Arc::default()));
            }
        }
        Self(counters)
    }

    /// The counts so far, with their labels.
    pub(crate) fn labelled(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(label, counter)| (&**label, counter.load(Ordering::Relaxed)))
    }

    /// The counter of a client.
    pub(crate) fn of(&self, name: &ClientName) -> Arc<AtomicU64> {
        let labelled = |label: &str| self.0.iter().find(|(known, _)| **known == *label);
        labelled(name.as_str())
            .or_else(|| labelled(ClientName::OTHERS))
            .map(|(_, counter)| Arc::clone(counter))
            .unwrap_or_default()
    }
}

impl PublishCounters {
    pub(crate) fn new(clients: Arc<ClientCounters>) -> Self {
        Self { durations: PublishDurations::default(), refused: std::array::from_fn(|_| AtomicU64::new(0)), clients }
    }

    /// Counts a request that has begun at this time and was answered with this status.
    pub(crate) fn count_answer(&self, kind: PublishKind, status: StatusCode, begun: Instant) {
        let class = match status.as_u16() {
            ..400 => 0,
            400..500 => 1,
            _ => 2,
        };
        self.durations.each[kind as usize][class].observe(begun.elapsed());
    }

    /// Counts a refused request, or item of a batch.
    pub(crate) fn count(&self, code: ProblemCode) {
        self.refused[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, code: ProblemCode) -> u64 {
        self.refused[code as usize].load(Ordering::Relaxed)
    }

    fn so_far(&self) -> PublishRefusals {
        PublishRefusals {
            rate_limited: self.of(ProblemCode::RateLimited),
            too_large: self.of(ProblemCode::BodyTooLarge) + self.of(ProblemCode::BatchTooLarge),
            body_timeout: self.of(ProblemCode::BodyTimeout),
            failed_authentications: self.of(ProblemCode::TooManyFailures),
        }
    }
}

#[cfg(test)]
mod tests {
    use signalhub::CloseReason;

    use super::*;
    #[test]
    fn the_page_for_operators_names_every_reason() {
        let page = include_str!("../../../../docs/operations.md");
        let ended = CloseReason::ALL.map(CloseReason::label);
        let requests = ClientError::ALL.map(ClientError::label);
        let calls = CallError::ALL.map(CallError::label);
        let limits = Refusals::default().named().map(|(limit, _)| limit);
        for reason in ended.iter().chain(&requests).chain(&calls).chain(&limits) {
            assert!(page.contains(&format!("`{reason}`")), "{reason}");
        }
    }
}
