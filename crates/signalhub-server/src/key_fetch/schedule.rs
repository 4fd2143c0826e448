//! When the keys of an issuer are fetched, and for how long they are used.

use std::time::Duration;

use tokio::time::Instant;

use crate::configuration::Auth;

/// The longest time between two fetches that an issuer can ask for.
const LONGEST_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest time between two fetches that can be configured.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// How long a failed fetch is not repeated: at first, and after many failures.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What is added to a time that is too large to be added to the clock.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// When the keys of one issuer are fetched.
#[derive(Debug)]
pub(super) struct Schedule {
    intervals: Intervals,
    /// When the next fetch begins, unless one is running.
    due: Instant,
    /// When the last fetch began.
    begun: Option<Instant>,
    is_running: bool,
    /// How many fetches have failed since the last one that succeeded.
    failures: u32,
    keys: KeyState,
}

/// The configured intervals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intervals {
    refresh: Duration,
    minimum: Duration,
    stale: Duration,
}

/// Which keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyState {
    /// There were none yet.
    NeverLoaded,
    /// Those of the last fetch.
    Current,
    /// Those of an earlier fetch: no fetch has succeeded since this time.
    Old { since: Instant },
    /// None: they were too old.
    Dropped,
}

/// What a failed fetch has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is the first one since the last success, or ever.
    First,
    /// There were others before it.
    Repeated,
}

impl Intervals {
    pub(super) fn new(auth: &Auth) -> Self {
        let minimum = auth.jwks_minimum_interval.max(SHORTEST_INTERVAL);
        Self { refresh: auth.jwks_refresh.max(minimum), minimum, stale: auth.jwks_stale }
    }

    pub(super) fn stale(&self) -> Duration {
        self.stale
    }
}

impl Schedule {
    /// The first fetch begins at once.
    pub(super) fn new(intervals: Intervals, now: Instant) -> Self {
        let keys = KeyState::NeverLoaded;
        Self { intervals, due: now, begun: None, is_running: false, failures: 0, keys }
    }

    pub(super) fn intervals(&self) -> Intervals {
        self.intervals
    }

    pub(super) fn keys(&self) -> KeyState {
        self.keys
    }

    /// When the next fetch begins.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// When the old keys are dropped.
    pub(super) fn dropped_at(&self) -> Option<Instant> {
        match self.keys {
            KeyState::Old { since } => Some(after(since, self.intervals.stale)),
            KeyState::NeverLoaded | KeyState::Current | KeyState::Dropped => None,
        }
    }

    /// Has the keys fetched for a token whose key is not known. Returns whether that will be done now or is being done. It is not
    /// if the last fetch is not older than the minimum interval: every client can send such tokens.
    pub(super) fn request(&mut self, now: Instant) -> bool {
        if self.is_running || self.due <= now {
            return true;
        }
        let is_early = self.begun.is_some_and(|begun| now < after(begun, self.intervals.minimum));
        if !is_early {
            self.due = now;
        }
        !is_early
    }

    pub(super) fn begin(&mut self, now: Instant) {
        (self.is_running, self.begun) = (true, Some(now));
    }

    /// `max_age` is for how long the issuer says that the keys may be kept. Returns what keys there were.
    pub(super) fn succeed(&mut self, now: Instant, max_age: Option<Duration>) -> KeyState {
        let asked = max_age.map(|age| age.min(LONGEST_MAX_AGE).max(self.intervals.minimum));
        (self.is_running, self.failures) = (false, 0);
        self.due = after(now, asked.unwrap_or(self.intervals.refresh));
        std::mem::replace(&mut self.keys, KeyState::Current)
    }

    /// `jitter` is between 0 and 1, and spreads the retries of several servers.
    pub(super) fn fail(&mut self, now: Instant, jitter: f64) -> Failure {
        let doubled = FIRST_RETRY.saturating_mul(1 << self.failures.min(16)).min(LAST_RETRY);
        self.due = after(now, doubled.mul_f64(1.0 - jitter / 4.0));
        self.is_running = false;
        self.failures = self.failures.saturating_add(1);
        if self.keys == KeyState::Current {
            self.keys = KeyState::Old { since: now };
        }
        if self.failures == 1 { Failure::First } else { Failure::Repeated }
    }

    /// Drops keys that are too old. Returns whether there were such keys.
    pub(super) fn drop_old(&mut self, now: Instant) -> bool {
        let is_too_old = self.dropped_at().is_some_and(|end| end <= now);
        if is_too_old {
            self.keys = KeyState::Dropped;
        }
        is_too_old
    }
}

fn after(time: Instant, wait: Duration) -> Instant {
    time.checked_add(wait).unwrap_or_else(|| time + FAR)
}

#[cfg(test)]
mod tests;
