//! What a node counts, as a page for Prometheus.

mod cluster;
mod history;
mod latencies;
mod listeners;
mod page;
mod process;

use std::fmt;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use signalhub::CloseReason;
use signalhub::connections::Body;
use signalhub::events::IdempotencyCounts;
use tokio::runtime::Handle;

use super::counts::Counts;
use crate::log;
use page::Page;
pub(crate) use process::Process;

/// The path on the internal listener.
pub(crate) const PATH: &str = "/metrics";

/// The page in the OpenMetrics text format, which Prometheus reads.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Makes the page.
#[derive(Debug)]
pub(crate) struct Metrics(Registry);

/// Whether the page tells about the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessMetrics {
    Shown,
    Hidden,
}

impl Metrics {
    pub(crate) fn new(counts: Counts, process: ProcessMetrics) -> Self {
        // Names have their prefixes already, because some are those of other programs.
        let mut registry = Registry::default();
        registry.register_collector(Box::new(counts));
        if process == ProcessMetrics::Shown {
            registry.register_collector(Box::new(OwnProcess));
        }
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

/// The process that serves the page.
#[derive(Debug)]
struct OwnProcess;

impl Collector for OwnProcess {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        process::encode(&mut Page(encoder))
    }
}

impl Collector for Counts {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        connections(&mut page, self)?;
        security(&mut page, self)?;
        events(&mut page, self)?;
        latencies::traffic(&mut page, self)?;
        latencies::latencies(&mut page, self)?;
        latencies::invocations(&mut page, self)?;
        history::kept(&mut page, &self.history(), &self.replays())?;
        if let Some(log) = self.log() {
            history::log(&mut page, &log)?;
        }
        if let Some(member) = self.cluster() {
            cluster::cluster(&mut page, member)?;
        }
        if let Some(backplane) = self.hub().backplane_counts() {
            cluster::backplane(&mut page, &backplane)?;
        }
        server(&mut page, self)
    }
}

fn connections(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    let connections = counts.connections();
    for (name, help, value) in [
        ("signalhub_connections_active", "Live connections", connections.active()),
        ("signalhub_connections_suspended", "Those that wait for their client to come back", connections.suspended()),
        ("signalhub_connections_waiting", "Negotiated connections that wait for a transport", connections.waiting()),
    ] {
        page.gauge(name, help, value)?;
    }
    let help = "Clients that came back to their connection";
    page.counter("signalhub_connections_resumed", help, connections.resumed())?;
    let help = "Connections whose client did not come back";
    page.counter("signalhub_connections_given_up", help, connections.given_up())?;
    let ended = CloseReason::ALL.map(|reason| (reason.label(), connections.ended(reason)));
    let help = "Live connections that ended, by reason";
    page.counters("signalhub_connections_ended", help, ["reason"], labelled(&ended))?;
    if !counts.dialects().is_empty() {
        listeners::dialects(page, counts.dialects())?;
    }
    latencies::connections(page, counts)
}

/// What was refused, and what keeps others away.
fn security(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    let refusals = counts.refusals();
    let help = "What was refused, by the limit that was exceeded";
    page.counters("signalhub_refusals", help, ["limit"], labelled(&refusals.named()))?;
    let help = "What clients did wrong in requests, calls and publishes, by reason";
    page.counters("signalhub_client_errors", help, ["reason"], labelled(&counts.client_errors()))?;
    if let Some(tls) = counts.tls() {
        let handshakes = tls.handshakes();
        let outcomes = [("ok", handshakes.completed), ("failed", handshakes.failed), ("timeout", handshakes.timed_out)];
        page.counters("signalhub_tls_handshakes", "TLS handshakes, by outcome", ["outcome"], labelled(&outcomes))?;
        let help = "When the certificate that is used expires, in seconds since 1970";
        page.gauge("signalhub_tls_certificate_not_after_timestamp_seconds", help, tls.not_after())?;
        let help = "Changed certificates and client authorities, by outcome";
        page.counters("signalhub_tls_reloads", help, ["outcome"], labelled(&tls.reloads()))?;
    }
    if let Some(issuers) = counts.issuers() {
        listeners::issuer_keys(page, issuers.keys())?;
        if let Some(fetches) = issuers.fetches() {
            let help = "Fetches of issuers' keys, by outcome";
            page.counters("signalhub_auth_key_fetches", help, ["outcome"], labelled(&fetches))?;
        }
    }
    Ok(())
}

fn events(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    page.gauge("signalhub_subscriptions_active", "Subscriptions of all connections", counts.subscriptions())?;
    page.counter("signalhub_events_published", "Events that were published", counts.published())?;
    let clients = counts.published_by_clients();
    if !clients.is_empty() {
        let help = "Notifications that clients of publish.clients published, by name";
        page.counters("signalhub_api_client_publishes", help, ["publisher"], labelled(&clients))?;
    }
    let help = "Deliveries: for each event, the subscribers that it matched";
    page.counter("signalhub_events_matched", help, counts.matched())?;
    let IdempotencyCounts { duplicates, evicted, .. } = counts.idempotency();
    page.counter("signalhub_publish_duplicates", "Publishes that repeated an earlier one", duplicates)?;
    let help = "Idempotency keys forgotten early because there were too many (publish.idempotency_keys)";
    page.counter("signalhub_publish_idempotency_evicted", help, evicted)
}

/// The server itself: its build, its log, its tasks.
fn server(page: &mut Page<'_>, counts: &Counts) -> fmt::Result {
    if let Some(dropped) = counts.dropped_spans() {
        let help = "Spans that were dropped because the collector took too little";
        page.counter("signalhub_traces_dropped", help, dropped)?;
    }
    let build = ["version", "revision", "rustc"];
    let built = [env!("CARGO_PKG_VERSION"), env!("SIGNALHUB_REVISION"), env!("SIGNALHUB_RUSTC")];
    page.gauges("signalhub_build_info", "Which server this is: always 1", build, [(built, 1_u64)])?;
    let help = "Lines of the log that could not be written";
    page.counter("signalhub_log_lines_dropped", help, log::dropped_lines())?;
    let tasks = Handle::current().metrics().num_alive_tasks();
    page.gauge("signalhub_runtime_tasks", "Tasks that the server runs", tasks)
}

/// The values of one label, each with its count.
fn labelled<'a>(values: &'a [(&'a str, u64)]) -> impl Iterator<Item = ([&'a str; 1], u64)> {
    values.iter().map(|(which, count)| ([*which], *count))
}
