//! How often each method was called, how its calls ended, and how long they took.

use std::sync::atomic::{AtomicU64, Ordering};

use signalhub_counters::{Histogram, Observed, REQUESTS};
use tokio::time::Instant;

/// The calls of one method of a hub, since the hub was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodCalls {
    /// Calls that ended without an error. A stream counts when it ends.
    pub ok: u64,
    /// Calls that ended with an error, and calls whose arguments do not fit.
    pub error: u64,
    /// Calls that a limit refused, also while they ran, and calls that did not begin because of a policy or the way in which they
    /// were called.
    pub refused: u64,
    /// How long calls took that began, up to their answer.
    pub duration: Observed,
}

/// How a call that began has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Ok,
    Error,
    /// It would have exceeded a limit of the hub.
    Refused,
}

#[derive(Debug)]
pub(crate) struct MethodCounts {
    ok: AtomicU64,
    error: AtomicU64,
    refused: AtomicU64,
    duration: Histogram<{ REQUESTS.len() }>,
}

impl Default for MethodCounts {
    fn default() -> Self {
        let (ok, error, refused) = Default::default();
        Self { ok, error, refused, duration: Histogram::new(&REQUESTS) }
    }
}

impl MethodCounts {
    /// Counts a call that has ended.
    pub(crate) fn count_ended(&self, begun: Instant, outcome: CallOutcome) {
        match outcome {
            CallOutcome::Ok => &self.ok,
            CallOutcome::Error => &self.error,
            CallOutcome::Refused => &self.refused,
        }
        .fetch_add(1, Ordering::Relaxed);
        self.duration.observe(begun.elapsed());
    }

    /// Counts a call that did not begin, because the server has no such method, or the arguments do not fit.
    pub(crate) fn count_error(&self) {
        self.error.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that was refused.
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> MethodCalls {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MethodCalls {
            ok: read(&self.ok),
            error: read(&self.error),
            refused: read(&self.refused),
            duration: self.duration.observed(),
        }
    }
}
