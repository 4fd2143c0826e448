//! How often and when a publish is tried again.

use std::num::NonZeroU32;
use std::time::Duration;

/// How often and for how long a [`Notifier`](crate::Notifier) tries to publish to a hub: by default at most 10 times within 30 s, with
/// pauses that begin at 200 ms, double each time, and end at 5 s.
///
/// A part of each pause is random, so that publishers that failed at the same moment do not return at the same moment: at least half
/// of the pause is kept. A hub that asks for a longer one with `Retry-After` (in seconds) gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    maximum_tries: NonZeroU32,
    first_pause: Duration,
    longest_pause: Duration,
    time_limit: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            maximum_tries: const { NonZeroU32::new(10).unwrap() },
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            time_limit: Duration::from_secs(30),
        }
    }
}

impl Retries {
    /// Tries once only.
    #[must_use]
    pub fn none() -> Self {
        Self::default().with_maximum_tries(NonZeroU32::MIN)
    }

    /// Sets how often a publish is tried at most, the first try included.
    #[must_use]
    pub fn with_maximum_tries(self, maximum_tries: NonZeroU32) -> Self {
        Self { maximum_tries, ..self }
    }

    /// Sets the pause after the first try.
    #[must_use]
    pub fn with_first_pause(self, first_pause: Duration) -> Self {
        Self { first_pause, ..self }
    }

    /// Sets the longest pause. A hub can ask for a longer one.
    #[must_use]
    pub fn with_longest_pause(self, longest_pause: Duration) -> Self {
        Self { longest_pause, ..self }
    }

    /// Sets the time limit of a publish, all tries and pauses included. A try that has not ended by then is stopped, and a pause that
    /// would not end before it is not begun.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Returns the time that is left of the limit.
    pub(super) fn remaining(&self, elapsed: Duration) -> Duration {
        self.time_limit.saturating_sub(elapsed)
    }

    /// Returns how long to pause after this number of tries; `None` if there is no further try. `elapsed` is the time since the first
    /// try began, `retry_after` what the hub asked for, and `random` a number from 0 to 1.
    pub(super) fn pause(
        &self,
        tries: u32,
        retry_after: Option<Duration>,
        elapsed: Duration,
        random: f64,
    ) -> Option<Duration> {
        if tries >= self.maximum_tries.get() {
            return None;
        }
        let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let half = self.first_pause.saturating_mul(factor).min(self.longest_pause) / 2;
        let least = retry_after.unwrap_or_default().max(half);
        let pause = least.saturating_add(half.mul_f64(random));
        (pause < self.remaining(elapsed)).then_some(pause)
    }
}

#[cfg(test)]
mod tests;
