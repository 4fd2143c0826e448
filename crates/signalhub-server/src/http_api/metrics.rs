//! What a node counts, as a page for Prometheus.

use std::fmt;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use signalhub::connections::{Body, ClientError, ConnectionCounts};
use signalhub::events::{Durations, GapReason, HistoryCounts, IdempotencyCounts, LogCounts};
use signalhub::{CloseReason, Replays};
use tokio::runtime::Handle;

use super::counts::{Counts, Refusals};
use crate::log;

/// The path on the internal listener.
pub(crate) const PATH: &str = "/metrics";

/// The page in the OpenMetrics text format, which Prometheus reads.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Makes the page.
#[derive(Debug)]
pub(crate) struct Metrics(Registry);

impl Metrics {
    pub(crate) fn new(counts: Counts) -> Self {
        let mut registry = Registry::with_prefix("signalhub");
        registry.register_collector(Box::new(counts));
        Self(registry)
    }

    /// Answers a request for the page.
    pub(crate) fn response(&self) -> Response<Body> {
        let mut page = String::new();
        text::encode(&mut page, &self.0).expect("writing to a string cannot fail");
        let mut response = Response::new(page.into());
        response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        response
    }
}

impl Collector for Counts {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let connections = self.connections();
        page.gauge("connections_active", "Live connections", connections.active())?;
        page.gauge("connections_suspended", "Those that wait for their client to come back", connections.suspended())?;
        page.gauge("connections_waiting", "Negotiated connections that wait for a transport", connections.waiting())?;
        page.counter("connections_resumed", "Clients that came back to their connection", connections.resumed())?;
        page.counter("connections_given_up", "Connections whose client did not come back", connections.given_up())?;
        let ended = CloseReason::ALL.map(|reason| (reason.label(), connections.ended(reason)));
        page.counters("connections_ended", "Live connections that ended, by reason", "reason", &ended)?;
        if !self.dialects().is_empty() {
            page.of_dialects(self.dialects())?;
        }
        let refusals = self.refusals();
        page.counters("refusals", "What was refused, by the limit that was exceeded", "limit", &refusals.named())?;
        let help = "What clients did wrong in requests, calls and publishes, by reason";
        page.counters("client_errors", help, "reason", &self.client_errors())?;
        if let Some(tls) = self.tls() {
            let handshakes = tls.handshakes();
            let outcomes =
                [("ok", handshakes.completed), ("failed", handshakes.failed), ("timeout", handshakes.timed_out)];
            page.counters("tls_handshakes", "TLS handshakes, by outcome", "outcome", &outcomes)?;
            let help = "When the certificate that is used expires, in seconds since 1970";
            page.time("tls_certificate_not_after_timestamp_seconds", help, tls.not_after())?;
            page.counters(
                "tls_reloads",
                "Changed certificates and client authorities, by outcome",
                "outcome",
                &tls.reloads(),
            )?;
        }
        if let Some(issuers) = self.issuers() {
            page.issuer_keys(issuers.keys())?;
            if let Some(fetches) = issuers.fetches() {
                page.counters("auth_key_fetches", "Fetches of issuers' keys, by outcome", "outcome", &fetches)?;
            }
        }
        page.gauge("subscriptions_active", "Subscriptions of all connections", self.subscriptions())?;
        page.counter("events_published", "Events that were published", self.published())?;
        let clients = self.published_by_clients();
        if !clients.is_empty() {
            let help = "Notifications that clients of publish.clients published, by name";
            page.counters("api_client_publishes", help, "publisher", &clients)?;
        }
        page.counter("events_matched", "Deliveries: for each event, the subscribers that it matched", self.matched())?;
        let IdempotencyCounts { duplicates, evicted, .. } = self.idempotency();
        page.counter("publish_duplicates", "Publishes that repeated an earlier one", duplicates)?;
        let help = "Idempotency keys forgotten early because there were too many (publish.idempotency_keys)";
        page.counter("publish_idempotency_evicted", help, evicted)?;
        page.history(&self.history(), &self.replays())?;
        if let Some(log) = self.log() {
            page.log(&log)?;
        }
        if let Some(dropped) = self.dropped_spans() {
            page.counter("traces_dropped", "Spans that were dropped because the collector took too little", dropped)?;
        }
        page.counter("log_lines_dropped", "Lines of the log that could not be written", log::dropped_lines())?;
        page.gauge("runtime_tasks", "Tasks that the server runs", Handle::current().metrics().num_alive_tasks())
    }
}

/// A page that is being written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder)
    }

    fn history(&mut self, kept: &HistoryCounts, replays: &Replays) -> fmt::Result {
        for (name, help, value) in [
            ("history_events", "Events that are kept", kept.events),
            ("history_bytes", "Bytes that they take", kept.bytes),
            ("history_names", "Event names that have a history", kept.names),
        ] {
            self.gauge(name, help, usize::try_from(value).unwrap_or(usize::MAX))?;
        }
        let trimmed = [
            ("events", kept.trimmed_by_events),
            ("bytes", kept.trimmed_by_bytes),
            ("age", kept.trimmed_by_age),
            ("total", kept.trimmed_by_total),
        ];
        self.counters("history_trimmed", "Kept events that were removed, by limit", "limit", &trimmed)?;
        self.counter("history_unrecorded", "Events published without a history (history.names)", kept.unrecorded)?;
        let outcomes = [
            ("complete", replays.complete),
            ("gap", replays.gap),
            ("refused", replays.refused),
            ("ended", replays.ended),
        ];
        self.counters("history_replays", "Subscribe calls with since, by outcome", "outcome", &outcomes)?;
        self.counter("history_replayed_events", "Missed events that were sent", replays.events)?;
        let gaps = GapReason::ALL.map(|reason| (reason.as_str(), replays.gaps[reason as usize]));
        self.counters("history_gaps", "Gaps that clients were told of, by reason", "reason", &gaps)
    }

    /// What the history on disk does.
    fn log(&mut self, log: &LogCounts) -> fmt::Result {
        self.counter("history_commits", "Transactions of the history on disk", log.commits)?;
        self.counter("history_syncs", "How often it waited until the disk had everything", log.syncs)?;
        self.counter("history_written_bytes", "Bytes that it gave to the operating system", log.written_bytes)?;
        self.durations("history_commit_seconds", "How long its transactions took", &log.commit_seconds)?;
        self.durations("history_sync_seconds", "How long the disk took", &log.sync_seconds)?;
        self.gauge(
            "history_queue",
            "Events that wait to be written",
            usize::try_from(log.queue).unwrap_or(usize::MAX),
        )?;
        self.gauge("history_failed", "Whether the history on disk cannot be written", log.failed.into())
    }

    fn durations(&mut self, name: &str, help: &str, durations: &Durations) -> fmt::Result {
        let bounds = Durations::BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(durations.counts).collect();
        let mut histogram = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let (sum, count) = (durations.sum.as_secs_f64(), durations.counts.iter().sum());
        histogram.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    /// The connections of each dialect.
    fn of_dialects(&mut self, dialects: &[(&'static str, ConnectionCounts)]) -> fmt::Result {
        let (name, help) = ("dialect_connections_active", "Live connections of dialects, by dialect");
        let mut active = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (dialect, counts) in dialects {
            let count = i64::try_from(counts.active()).unwrap_or(i64::MAX);
            ConstGauge::new(count).encode(active.encode_family(&[("dialect", *dialect)])?)?;
        }
        let help = "Live connections of dialects that ended, by dialect and reason";
        let mut ended = self.0.encode_descriptor("dialect_connections_ended", help, None, MetricType::Counter)?;
        for (dialect, counts) in dialects {
            for reason in CloseReason::ALL {
                let labels = [("dialect", *dialect), ("reason", reason.label())];
                ConstCounter::new(counts.ended(reason)).encode(ended.encode_family(&labels)?)?;
            }
        }
        let mut refused = self.0.encode_descriptor(
            "dialect_refusals",
            "What dialects refused, by dialect and limit",
            None,
            MetricType::Counter,
        )?;
        for (dialect, counts) in dialects {
            for (limit, value) in Refusals::of_listener(counts).named() {
                let labels = [("dialect", *dialect), ("limit", limit)];
                ConstCounter::new(value).encode(refused.encode_family(&labels)?)?;
            }
        }
        let help = "What clients of dialects did wrong, by dialect and reason";
        let mut errors = self.0.encode_descriptor("dialect_client_errors", help, None, MetricType::Counter)?;
        for (dialect, counts) in dialects {
            for error in ClientError::ALL {
                let labels = [("dialect", *dialect), ("reason", error.label())];
                ConstCounter::new(counts.client_errors(error)).encode(errors.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn time(&mut self, name: &str, help: &str, seconds: i64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(seconds).encode(encoder)
    }

    fn issuer_keys(&mut self, counts: impl Iterator<Item = usize>) -> fmt::Result {
        let mut counts = counts.enumerate().peekable();
        if counts.peek().is_none() {
            return Ok(());
        }
        let help = "Keys that tokens are verified with, by the number of their issuer in auth.issuers";
        let mut family = self.0.encode_descriptor("auth_keys", help, None, MetricType::Gauge)?;
        for (index, count) in counts {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&[("issuer", index.to_string())])?)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (which, value) in values {
            ConstCounter::new(*value).encode(family.encode_family(&[(label, *which)])?)?;
        }
        Ok(())
    }
}
