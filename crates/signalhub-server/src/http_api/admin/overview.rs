//! `GET /admin/api/v1/overview`: the state of the node in numbers, with rates of the last 10 and 60 seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use signalhub::connections::{ConnectionCounts, TransportKind};
use signalhub::protocol::Protocol;
use tokio::time::MissedTickBehavior;

use super::call::{Answer, Call};
use super::connections::protocol_label;
use super::operated::{Operated, rfc3339};
use super::samples::{self, Latency, Rates, Reading, Windows};
use crate::http_api::counts::Counts;
use crate::http_api::metrics::Process;
use crate::http_api::response::json_response;
use crate::lifecycle::Phase;

#[derive(Serialize)]
struct Overview {
    node: String,
    version: &'static str,
    uptime_seconds: f64,
    phase: &'static str,
    connections: Connections,
    subscriptions: usize,
    published_total: u64,
    matched_total: u64,
    rates: Windows<Rates>,
    /// Seconds from an accepted publish to the socket.
    latency: Windows<Latency>,
    queued_bytes: usize,
    /// Connections with more than a quarter of their limit queued.
    slow: usize,
    refusals: BTreeMap<&'static str, u64>,
    /// Resident bytes; `None` where the system does not tell.
    memory: Option<u64>,
    fds: Option<Descriptors>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_expires: Option<String>,
    /// The state of the node in its cluster; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'static str>,
    /// Why the server is not ready although it serves: it has no keys of an issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready: Option<String>,
}

/// Open files and sockets, and how many there may be.
#[derive(Serialize)]
struct Descriptors {
    open: usize,
    limit: Option<u64>,
}

#[derive(Serialize)]
struct Connections {
    active: usize,
    suspended: usize,
    waiting: usize,
    by_transport: BTreeMap<&'static str, usize>,
    by_protocol: BTreeMap<&'static str, usize>,
}

/// Starts to read the counters once a second, as long as the node is there.
pub(super) fn start(operated: &Arc<Operated>) {
    let operated = Arc::downgrade(operated);
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(samples::INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            interval.tick().await;
            let Some(operated) = operated.upgrade() else { return };
            operated.state.samples.add(Reading::of(&operated.counts, &operated.broker));
        }
    });
}

/// Shows the state of the node.
pub(super) async fn show(operated: Arc<Operated>, _: Call) -> Answer {
    let process = Process::read();
    let counts = &operated.counts;
    let listeners = || counts.listeners();
    let of_transport = |kind| listeners().map(|counts| counts.active_by_transport(kind)).sum();
    let reading = Reading::of(counts, &operated.broker);
    let [ten_seconds, minute] = operated.state.samples.windows(&reading);
    Ok(json_response(&Overview {
        node: operated.broker.node().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: operated.clock.seconds(),
        phase: match operated.lifecycle.phase() {
            Phase::Serving => "serving",
            Phase::Leaving => "leaving",
            Phase::Draining => "draining",
        },
        connections: Connections {
            active: listeners().map(|counts| counts.active()).sum(),
            suspended: listeners().map(|counts| counts.suspended()).sum(),
            waiting: listeners().map(|counts| counts.waiting()).sum(),
            by_transport: TransportKind::ALL.map(|kind| (kind.label(), of_transport(kind))).into(),
            by_protocol: by_protocol(counts),
        },
        subscriptions: counts.subscriptions(),
        published_total: counts.published(),
        matched_total: counts.matched(),
        rates: Windows { ten_seconds: ten_seconds.0, minute: minute.0 },
        latency: Windows { ten_seconds: ten_seconds.1, minute: minute.1 },
        queued_bytes: listeners().map(ConnectionCounts::queued_bytes).sum(),
        slow: listeners().map(ConnectionCounts::slow).sum(),
        refusals: counts.refusals().named().into_iter().collect(),
        memory: process.as_ref().map(|process| process.resident_bytes),
        fds: process.map(|process| Descriptors { open: process.open_fds, limit: process.max_fds }),
        certificate_expires: counts.tls().map(|tls| {
            let seconds = u64::try_from(tls.not_after()).unwrap_or_default();
            rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        }),
        cluster: counts.cluster().map(|member| member.state().label()),
        not_ready: counts.unready(),
    }))
}

/// How many connections speak each protocol that some speak. Those of a dialect have its name.
fn by_protocol(counts: &Counts) -> BTreeMap<&'static str, usize> {
    let of_hub = Protocol::ALL.map(|protocol| (protocol_label(protocol), counts.hub().client_count_of(protocol)));
    let of_dialects = counts.dialects().iter().map(|(dialect, counts)| (*dialect, counts.active()));
    of_hub.into_iter().chain(of_dialects).filter(|(_, count)| *count > 0).collect()
}
