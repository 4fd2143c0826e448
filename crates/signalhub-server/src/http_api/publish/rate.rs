//! How much each publisher may publish: a token bucket for each of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::configuration::Rate;
use crate::http_api::problem::Problem;

/// So many publishers are remembered before those are forgotten who have their whole allowance.
const SWEEP_AT: usize = 1024;

/// Whose allowance it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// The holder of an API key, by its place in the configuration.
    Key(usize),
    /// The user of a token, and the organisation: two of them may know users of the same name.
    User(Arc<str>, Option<Arc<str>>),
}

/// Keeps what every publisher may still publish.
#[derive(Debug)]
pub(super) struct RateLimit {
    rate: Rate,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    of: HashMap<Who, Bucket>,
    sweep_at: usize,
}

/// What is left of an allowance. It goes below zero when a batch is larger than all of it, and the next one waits for that.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl RateLimit {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::new(Buckets { of: HashMap::new(), sweep_at: SWEEP_AT }) }
    }

    /// Takes `count` notifications from an allowance, all of them or none.
    pub(super) fn take(&self, who: &Who, count: usize, now: Instant) -> Result<(), Problem> {
        let Some((burst, per_second)) = self.rate.burst_and_per_second() else { return Ok(()) };
        let count = count as f64;
        // What a panic elsewhere left behind is still a number.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(burst, per_second, now);
        let bucket = buckets.of.entry(who.clone()).or_insert(Bucket { left: burst, at: now });
        bucket.left = bucket.refilled(burst, per_second, now);
        bucket.at = now;
        let missing = count.min(burst) - bucket.left;
        if missing > 0.0 {
            let after = Duration::try_from_secs_f64(missing / per_second).unwrap_or(Duration::MAX);
            let detail = format!("expected no more than {} (publish.rate)", self.rate);
            return Err(Problem::rate_limited(detail, after));
        }
        bucket.left -= count;
        Ok(())
    }
}

impl Buckets {
    /// Forgets those who have their whole allowance, when there are many.
    fn sweep(&mut self, burst: f64, per_second: f64, now: Instant) {
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, bucket| bucket.refilled(burst, per_second, now) < burst);
            self.sweep_at = (self.of.len() * 2).max(SWEEP_AT);
        }
    }
}

impl Bucket {
    fn refilled(&self, burst: f64, per_second: f64, now: Instant) -> f64 {
        (self.left + now.saturating_duration_since(self.at).as_secs_f64() * per_second).min(burst)
    }
}

#[cfg(test)]
mod tests;
