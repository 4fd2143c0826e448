//! The history of events of a node.

use std::collections::HashMap;
use std::sync::Arc;

use signalhub::events::{EventName, History, HistoryLimits, NameLimits, Untold};
use signalhub_history::{DiskLog, DiskOptions, OpenError, OpenReport};
use signalhub_redis::log::{LogOptions, RedisLogError};

use crate::cluster::Member;
use crate::configuration::{ByteSize, Configuration, HistoryOverride, HistorySettings, HistoryStore, Publish};

/// The history on disk that this node has open, if there is one. Dropping it closes the file, even if other tasks still have the
/// broker: the next node may open it at once.
#[derive(Debug, Default)]
pub(super) struct OpenHistory(Option<Arc<DiskLog>>);

impl OpenHistory {
    /// Writes what waits, and closes the file.
    pub(super) async fn close(self) {
        // If the runtime ends meanwhile, the file is closed where the future is dropped.
        drop(tokio::task::spawn_blocking(move || drop(self)).await);
    }
}

impl Drop for OpenHistory {
    fn drop(&mut self) {
        self.0.iter().for_each(|log| log.close());
    }
}

/// Opens the history. That of a cluster is in Redis, whatever the settings say about a store.
pub(super) async fn open(
    configuration: &Configuration,
    cluster: Option<&Member>,
) -> Result<(History, OpenHistory), HistoryError> {
    let settings = &configuration.history;
    if let Some(member) = cluster {
        let log = member.open_log(shared_options(configuration, member)).await?;
        return Ok((History::Shared(log), OpenHistory::default()));
    }
    match settings.store {
        HistoryStore::Off => Ok((History::Off, OpenHistory::default())),
        HistoryStore::Memory => Ok((History::Memory(memory_limits(settings)), OpenHistory::default())),
        HistoryStore::Disk => {
            let options = disk_options(settings, &configuration.publish)?;
            // It reads the index of all events.
            let opened = tokio::task::spawn_blocking(|| DiskLog::open(options)).await;
            let log = opened.map_err(|_| HistoryError::Interrupted)??;
            announce(&log.report());
            let log = Arc::new(log);
            Ok((History::Log(log.clone()), OpenHistory(Some(log))))
        }
    }
}

/// Refuses settings with which the history cannot be opened. It touches no file.
pub(crate) fn check(configuration: &Configuration) -> Result<(), HistoryError> {
    match configuration.history.store {
        _ if !configuration.cluster.redis.is_empty() => Ok(()),
        HistoryStore::Off | HistoryStore::Memory => Ok(()),
        HistoryStore::Disk => disk_options(&configuration.history, &configuration.publish).map(drop),
    }
}

fn memory_limits(settings: &HistorySettings) -> HistoryLimits {
    let mut limits = HistoryLimits::default();
    limits.each = with(limits.each, all(settings));
    limits.overrides = overrides(settings, limits.each);
    set(&mut limits.total_bytes, settings.maximum_bytes.map(ByteSize::bytes));
    limits.names = settings.names.get();
    limits
}

fn shared_options(configuration: &Configuration, member: &Member) -> LogOptions {
    let (settings, cluster) = (&configuration.history, &configuration.cluster);
    // The name alone is not enough: another node may take the name of one that has lost Redis.
    let nodes = member.nodes();
    let mut options = LogOptions::new(format!("{}/{}", nodes.own_name(), nodes.own_boot()));
    options.prefix = cluster.prefix.as_str().to_owned();
    options.limits = with(options.limits, all(settings));
    options.overrides = overrides(settings, options.limits);
    set(&mut options.total_bytes, settings.maximum_bytes.map(|size| size.bytes() as u64));
    options.names = settings.names.get();
    options.patience = cluster.publish_patience;
    options.idempotency_window = configuration.publish.idempotency_window;
    options.replicas = u32::try_from(cluster.wait_replicas).unwrap_or(u32::MAX);
    options.untold = if cluster.close_on_gap { Untold::Closed } else { Untold::Counted };
    options
}

fn disk_options(settings: &HistorySettings, publish: &Publish) -> Result<DiskOptions, HistoryError> {
    let directory = settings.directory.as_ref().ok_or(HistoryError::NoDirectory)?;
    let mut options = DiskOptions::new(directory.path());
    options.limits = with(options.limits, all(settings));
    options.overrides = overrides(settings, options.limits);
    set(&mut options.maximum_bytes, settings.maximum_bytes.map(|size| size.bytes() as u64));
    options.sync_interval = settings.sync_interval;
    options.queue = settings.queue.get();
    options.names = settings.names.get();
    options.replays = settings.replays.get();
    options.idempotency_window = publish.idempotency_window;
    options.idempotency_keys = publish.idempotency_keys.get();
    Ok(options)
}

fn set<T>(limit: &mut T, configured: Option<T>) {
    configured.into_iter().for_each(|configured| *limit = configured);
}

/// What is configured for all names.
fn all(settings: &HistorySettings) -> HistoryOverride {
    HistoryOverride { events: settings.events, bytes: settings.bytes, age: settings.age }
}

fn with(mut limits: NameLimits, configured: HistoryOverride) -> NameLimits {
    set(&mut limits.events, configured.events.map(|events| events.get() as u64));
    set(&mut limits.bytes, configured.bytes.map(|bytes| bytes.bytes() as u64));
    set(&mut limits.age, configured.age);
    limits
}

fn overrides(settings: &HistorySettings, each: NameLimits) -> HashMap<EventName, NameLimits> {
    settings.overrides.0.iter().map(|(name, configured)| (name.clone(), with(each, *configured))).collect()
}

/// Tells operators what the history has.
fn announce(report: &OpenReport) {
    let OpenReport { events, names, took, clean, .. } = report;
    tracing::info!(events, names, ?took, clean, "the history is open");
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A history on disk needs a directory.
    #[error("\"history.store\" is \"disk\": expected \"history.directory\", the path of a directory")]
    NoDirectory,
    /// It cannot be opened.
    #[error("the history (history.directory) cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// The events in Redis cannot be read.
    #[error(transparent)]
    Shared(#[from] RedisLogError),
    /// The runtime ended meanwhile.
    #[error("the history was not opened")]
    Interrupted,
}
