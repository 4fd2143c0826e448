//! How often something may happen.

use std::time::Instant;

/// So many times a second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// Allows `count` times a second, and as many at once.
    ///
    /// # Panics
    /// When the count is zero: nothing would ever be allowed.
    pub fn per_second(count: u32) -> Self {
        assert!(count > 0, "a rate allows something");
        Self { per_second: count.into(), burst: count.into() }
    }

    /// Allows so many at once, at least one.
    #[must_use]
    pub fn with_burst(self, count: u32) -> Self {
        Self { burst: count.max(1).into(), ..self }
    }
}

/// A bucket that tokens drip into; what happens takes one out.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: rate.burst, filled: now }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let dripped = now.duration_since(self.filled).as_secs_f64() * self.rate.per_second;
        self.tokens = (self.tokens + dripped).min(self.rate.burst);
        self.filled = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            assert_eq!(bucket.take(at(milliseconds)), allowed, "after {milliseconds} ms");
        }
    }
}
