//! What the admin API shows and acts on.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use signalhub::Hub;
use signalhub::connections::{LiveConnections, Revocations};
use signalhub::events::Broker;
use signalhub_dialects::printfactory::MisKeys;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::samples::Samples;
use crate::cluster::Member;
use crate::cluster::peers::Peers;
use crate::configuration::Configuration;
use crate::http_api::counts::Counts;
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::publish::PublishApi;
use crate::lifecycle::{DrainRequest, Lifecycle, ReloadRequest};

/// How many lists are made at the same time.
const MOST_LISTS: usize = 4;

/// How long a list for another node waits for others, which is less than that node waits for the answer.
const WAIT_FOR_LISTS: Duration = Duration::from_secs(1);

/// How many disconnects are spread over their time at once.
const MOST_DISCONNECTS: usize = 16;

/// The parts of a node that the admin API shows and acts on.
#[derive(Debug)]
pub(crate) struct Operated {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) counts: Counts,
    pub(crate) hub: Hub,
    pub(crate) broker: Broker,
    pub(crate) publish: Arc<PublishApi>,
    pub(crate) revocations: Revocations,
    pub(crate) reload: ReloadRequest,
    pub(crate) drain: DrainRequest,
    /// The keys of PrintFactory, if the dialect is on.
    pub(crate) mis_keys: Option<MisKeys>,
    /// The connections of the listeners for clients.
    pub(crate) connections: Vec<Listed>,
    pub(crate) state: AdminState,
    pub(crate) clock: Clock,
}

/// What the admin API remembers between requests.
#[derive(Debug, Default)]
pub(crate) struct AdminState {
    /// How much it does at once.
    pub(super) limits: AdminLimits,
    pub(super) samples: Samples,
}

/// The connections of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// The name of the dialect; `None` for the hub.
    pub(crate) dialect: Option<&'static str>,
    pub(crate) connections: LiveConnections,
}

/// How much operators may do at the same time.
#[derive(Debug)]
pub(crate) struct AdminLimits {
    lists: Semaphore,
    /// Those that are spread over a time.
    pub(super) disconnects: Arc<Semaphore>,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self { lists: Semaphore::new(MOST_LISTS), disconnects: Arc::new(Semaphore::new(MOST_DISCONNECTS)) }
    }
}

/// One moment on both clocks, from which times of connections are told. It stays the same, and with it their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    at: SystemTime,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), at: SystemTime::now() }
    }

    /// Microseconds since 1970, by the clock of the system at the start.
    pub(super) fn micros(&self, time: Instant) -> u64 {
        let since = self.at(time).duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// Writes a time, such as `2026-11-28T13:00:00.25Z`.
    pub(super) fn written(&self, time: Instant) -> String {
        rfc3339(self.at(time))
    }

    fn at(&self, time: Instant) -> SystemTime {
        match time.checked_duration_since(self.started) {
            Some(later) => self.at + later,
            None => self.at - self.started.duration_since(time),
        }
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Writes a time.
pub(super) fn rfc3339(time: SystemTime) -> String {
    OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_default()
}

impl Operated {
    /// The name of this node.
    pub(super) fn node_name(&self) -> &str {
        self.peers().map_or_else(|| self.broker.node(), Peers::own_name)
    }

    /// The other nodes of the cluster, if there is one.
    pub(super) fn peers(&self) -> Option<&Peers> {
        self.counts.cluster().map(Member::peers)
    }
}

impl AdminLimits {
    /// Waits for a moment for the right to make one more list, which another node puts together with its own.
    ///
    /// # Errors
    /// If too many are being made.
    pub(super) async fn permit_list_for_node(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match tokio::time::timeout(WAIT_FOR_LISTS, self.lists.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => self.permit_list(),
        }
    }

    /// Takes the right to make one more list.
    ///
    /// # Errors
    /// If too many are being made.
    pub(super) fn permit_list(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let too_many = |_| Problem::new(ProblemCode::TooManyLists, format!("{MOST_LISTS} lists are being made"));
        self.lists.try_acquire().map_err(too_many)
    }
}
