//! Rates, and the token buckets that enforce them.

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
        self.check(count)?;
        self.tokens -= count;
        Ok(())
    }

    /// Whether the bucket is full, as a new one is.
    pub fn is_full(&self, now: Instant) -> bool {
        self.tokens_at(now) >= self.rate.burst
    }

    /// The number of tokens after the refill.
    pub(crate) fn tokens_at(&self, now: Instant) -> f64 {
        let added = now.saturating_duration_since(self.filled).as_secs_f64() * self.rate.per_second;
        (self.tokens + added).min(self.rate.burst)
    }

    /// Checks that there are this many tokens, or that the bucket is full.
    fn check(&self, count: f64) -> Result<(), Duration> {
        let missing = count.min(self.rate.burst) - self.tokens;
        if missing <= 0.0 {
            return Ok(());
        }
        Err(Duration::try_from_secs_f64(missing / self.rate.per_second).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
