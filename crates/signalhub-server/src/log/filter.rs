//! What is logged, which an operator may change for some time.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::lines::ACCESS;
use crate::configuration::{Log, LogFilter, has_directive};

/// The filter of the process: there is one log.
static FILTER: OnceLock<Filter> = OnceLock::new();

type Replace = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

struct Filter {
    /// The one of the start.
    configured: String,
    access: &'static str,
    replace: Replace,
    /// Counts the changes, so that only the latest one falls back.
    changes: Mutex<u64>,
}

/// The filter that the process starts with; `RUST_LOG` wins over the configured one, unless it is empty or no filter.
pub(super) fn configured(log: &Log) -> String {
    let from_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let from_environment = from_environment.filter(|text| has_directive(text) && EnvFilter::try_new(text).is_ok());
    from_environment.unwrap_or_else(|| log.level.as_str().to_owned())
}

/// The level of the access log, which does not follow from that of other lines.
pub(super) fn access(log: &Log) -> &'static str {
    if log.access { "info" } else { "off" }
}

pub(super) fn with_access(filter: &str, access: &str) -> EnvFilter {
    EnvFilter::new(format!("{filter},{ACCESS}={access}"))
}

/// Remembers how to replace the filter.
pub(super) fn remember(log: &Log, replace: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) {
    let filter =
        Filter { configured: configured(log), access: access(log), replace: Box::new(replace), changes: Mutex::new(0) };
    // A log that was started before stays.
    drop(FILTER.set(filter));
}

/// Logs what another filter selects, for this time; then what was configured. `false` if the process has no log to change.
pub(crate) fn change(filter: &LogFilter, time: Duration) -> bool {
    let Some(known) = FILTER.get() else { return false };
    let mut changes = known.changes.lock().unwrap_or_else(PoisonError::into_inner);
    if !(known.replace)(with_access(filter.as_str(), known.access)) {
        return false;
    }
    *changes += 1;
    let change = *changes;
    drop(changes);
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        let changes = known.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if *changes == change && (known.replace)(with_access(&known.configured, known.access)) {
            tracing::info!(filter = known.configured, "the log has its configured filter again");
        }
    });
    true
}
