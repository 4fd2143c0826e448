//! Rates and token buckets, and the limit on log lines that clients can cause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A rate limit: an average number of events per second, and the size of the largest burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// Creates a rate of `count` events per second, with bursts of up to `count`.
    ///
    /// # Panics
    /// When the count is zero.
    pub fn per_second(count: u32) -> Self {
        assert!(count > 0, "a rate must not be zero");
        Self { per_second: count.into(), burst: count.into() }
    }

    /// Creates a rate of `count` events in each period of the length `per`, with bursts of up to `count`.
    ///
    /// # Panics
    /// When the count or the time is zero.
    pub fn new(count: u32, per: Duration) -> Self {
        assert!(count > 0 && !per.is_zero(), "a rate must not be zero");
        Self { per_second: f64::from(count) / per.as_secs_f64(), burst: count.into() }
    }

    /// Sets the size of the largest burst; 0 counts as 1.
    #[must_use]
    pub fn with_burst(self, count: u32) -> Self {
        Self { burst: count.max(1).into(), ..self }
    }
}

/// A token bucket that enforces a [`Rate`]. It is full at first. Its methods take the current time, so that tests need no clock.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    /// Creates a full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: rate.burst, filled: now }
    }

    /// Takes this number of tokens, or none. More tokens than the burst can be taken from a full bucket; the debt is paid
    /// back before further tokens can be taken.
    ///
    /// # Errors
    /// When there are too few tokens; the error is the time until there are enough.
    pub fn take(&mut self, count: usize, now: Instant) -> Result<(), Duration> {
        self.tokens = self.tokens_at(now);
        self.filled = now;
        let count = count as f64;
        let missing = count.min(self.rate.burst) - self.tokens;
        if missing > 0.0 {
            return Err(Duration::try_from_secs_f64(missing / self.rate.per_second).unwrap_or(Duration::MAX));
        }
        self.tokens -= count;
        Ok(())
    }

    /// Whether the bucket is full, as a new one is.
    pub fn is_full(&self, now: Instant) -> bool {
        self.tokens_at(now) >= self.rate.burst
    }

    fn tokens_at(&self, now: Instant) -> f64 {
        let added = now.saturating_duration_since(self.filled).as_secs_f64() * self.rate.per_second;
        (self.tokens + added).min(self.rate.burst)
    }
}

/// Limits how many lines clients can cause in a log.
#[derive(Debug)]
pub(crate) struct LogThrottle(Mutex<Throttled>);

#[derive(Debug)]
struct Throttled {
    bucket: TokenBucket,
    skipped: u64,
}

impl LogThrottle {
    /// Creates a throttle that allows one line per second, and ten at once.
    pub(crate) fn new(now: Instant) -> Self {
        let bucket = TokenBucket::new(Rate::per_second(1).with_burst(10), now);
        Self(Mutex::new(Throttled { bucket, skipped: 0 }))
    }

    /// Returns `None` if no line may be logged now, else how many lines were skipped since the last one.
    pub(crate) fn admit(&self, now: Instant) -> Option<u64> {
        let mut throttled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if throttled.bucket.take(1, now).is_ok() {
            return Some(std::mem::take(&mut throttled.skipped));
        }
        throttled.skipped += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gets_ten_lines_at_once_and_then_one_a_second_with_the_number_of_those_left_out() {
        let start = Instant::now();
        let throttle = LogThrottle::new(start);
        for _ in 0..10 {
            assert_eq!(throttle.admit(start), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(throttle.admit(start), None);
        }
        assert_eq!(throttle.admit(start + Duration::from_secs(1)), Some(7));
        assert_eq!(throttle.admit(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn a_bucket_allows_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(Rate::per_second(10).with_burst(3), start);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for (milliseconds, allowed) in [
            (0, true),
            (0, true),
            (0, true),
            (0, false),
            (99, false),
            (100, true),
            (150, false),
            (1000, true),
            (1000, true),
            (1000, true),
            (1000, false),
        ] {
            assert_eq!(bucket.take(1, at(milliseconds)).is_ok(), allowed, "after {milliseconds} ms");
        }
    }
}
