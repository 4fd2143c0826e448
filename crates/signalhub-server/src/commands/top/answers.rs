//! What the admin API answers, as far as `signalhub top` shows it. A member that a server leaves out counts as absent.

use std::collections::BTreeMap;

use serde::Deserialize;
use time::OffsetDateTime;

/// The state of a node: `GET /admin/api/v1/overview`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    pub(super) node: String,
    pub(super) version: String,
    pub(super) uptime_seconds: f64,
    pub(super) phase: String,
    /// The state of the node in its cluster, if there is one.
    pub(super) cluster: Option<String>,
    pub(super) connections: ConnectionCounts,
    pub(super) rates: Windows<Rates>,
    pub(super) latency: Windows<Latency>,
    pub(super) queued_bytes: u64,
    pub(super) slow: u64,
    pub(super) refusals: BTreeMap<String, u64>,
    /// The bytes in memory.
    pub(super) memory: Option<u64>,
    pub(super) fds: Option<Descriptors>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConnectionCounts {
    pub(super) active: u64,
    pub(super) suspended: u64,
    pub(super) waiting: u64,
}

/// The same figures over two lengths of time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Windows<T: Default> {
    #[serde(rename = "10s")]
    pub(super) ten_seconds: T,
    #[serde(rename = "60s")]
    pub(super) minute: T,
}

/// Numbers per second.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rates {
    pub(super) published: Option<f64>,
    pub(super) deliveries: Option<f64>,
}

/// From an accepted publish to the socket, in seconds; absent while nothing was delivered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Latency {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

/// Open files and sockets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Descriptors {
    pub(super) open: u64,
    pub(super) limit: Option<u64>,
}

/// One page of connections: `GET /admin/api/v1/connections`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    pub(super) value: Vec<Connection>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

/// One connection. Bytes and messages count from its beginning.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) user: Option<String>,
    pub(super) organisation: Option<String>,
    pub(super) transport: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) address: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) since: Option<OffsetDateTime>,
    pub(super) idle_seconds: Option<f64>,
    /// Connections of dialects do not tell it.
    pub(super) subscriptions: Option<u64>,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) deliveries: u64,
    pub(super) queued_bytes: u64,
    pub(super) queued_oldest_seconds: Option<f64>,
}
