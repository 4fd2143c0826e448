//! How long a link waits before it is opened again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(1);

/// Waits that double from 50 ms up to 1 s. Each is shortened by up to a half at random, so that not all nodes come back at once.
#[derive(Clone, Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    /// The next wait.
    #[expect(clippy::should_implement_trait, reason = "it never ends, and needs no iterator")]
    pub fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait / 2 + wait.mul_f64(random_part()) / 2
    }
}

/// A number from 0 to 1. It spreads load and protects nothing, so the seed of a hasher is random enough.
pub(crate) fn random_part() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_second_and_no_further() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST, "{waits:?}");
        assert!(waits[9] >= LONGEST / 2 && waits.iter().all(|wait| *wait <= LONGEST), "{waits:?}");
    }
}
