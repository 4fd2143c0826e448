//! The limit on log lines that clients can cause.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::rate::{Rate, TokenBucket};

/// Limits how many lines clients can cause in a log.
#[derive(Debug)]
pub struct LogThrottle(Mutex<Throttled>);

#[derive(Debug)]
struct Throttled {
    bucket: TokenBucket,
    skipped: u64,
}

impl LogThrottle {
    /// Creates a throttle that allows one line per second, and ten at once.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self::with_rate(Rate::per_second(1).with_burst(10), now)
    }

    /// Creates a throttle that allows lines at this rate.
    #[must_use]
    pub fn with_rate(rate: Rate, now: Instant) -> Self {
        Self(Mutex::new(Throttled { bucket: TokenBucket::new(rate, now), skipped: 0 }))
    }

    /// Returns `None` if no line may be logged now, else how many lines were skipped since the last one.
    pub fn admit(&self, now: Instant) -> Option<u64> {
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
    use std::time::Duration;

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
}
