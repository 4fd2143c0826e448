//! Tasks that must run for as long as their node does.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;

/// How long a task that has panicked pauses before it is started again.
const PAUSE: Duration = Duration::from_secs(1);

static PANICS: AtomicU64 = AtomicU64::new(0);

/// How often a task of the cluster has panicked in this process.
#[must_use]
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Runs a task until it ends by itself. When it panics, this is logged and counted, and the task is started again.
pub(crate) async fn keep_running<F: Future<Output = ()>>(task: &'static str, start: impl Fn() -> F) {
    while AssertUnwindSafe(start()).catch_unwind().await.is_err() {
        PANICS.fetch_add(1, Ordering::Relaxed);
        tracing::error!(task, "a task of the cluster has panicked, and is started again");
        tokio::time::sleep(PAUSE).await;
    }
}
