//! `Histogram`: how long something took, in buckets.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sharded::Sharded;

/// Counts lengths of time in buckets. Observing one is two relaxed additions.
#[derive(Debug)]
pub struct Histogram<const BUCKETS: usize> {
    bounds: &'static [Duration; BUCKETS],
    shards: Sharded<Shard<BUCKETS>>,
}

#[derive(Debug)]
struct Shard<const BUCKETS: usize> {
    /// How many times were at most as long as each bound, and longer than the one before it.
    counts: [AtomicU64; BUCKETS],
    /// How many were longer than every bound.
    longer: AtomicU64,
    /// The sum of all, in microseconds: nanoseconds would overflow after a few days of many long connections.
    micros: AtomicU64,
}

/// What a histogram has observed so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The upper bounds of the buckets, in ascending order.
    pub bounds: &'static [Duration],
    /// How many times each bucket has. The last one, which has no bound, is for those above all bounds.
    pub counts: Vec<u64>,
    /// The sum of all times.
    pub sum: Duration,
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    /// Creates a histogram with these bounds, which must ascend.
    #[must_use]
    pub fn new(bounds: &'static [Duration; BUCKETS]) -> Self {
        let shard = || Shard {
            counts: array::from_fn(|_| AtomicU64::new(0)),
            longer: AtomicU64::new(0),
            micros: AtomicU64::new(0),
        };
        Self { bounds, shards: Sharded::new(shard) }
    }

    /// Counts one time.
    pub fn observe(&self, time: Duration) {
        self.observe_many(time, 1);
    }

    /// Counts the same time `count` times.
    pub fn observe_many(&self, time: Duration, count: u64) {
        let shard = self.shards.here();
        // Most times are short, so the first bounds decide.
        let bucket = self.bounds.iter().zip(&shard.counts).find(|(bound, _)| time <= **bound);
        bucket.map_or(&shard.longer, |(_, bucket)| bucket).fetch_add(count, Ordering::Relaxed);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        shard.micros.fetch_add(nanos.saturating_mul(count) / 1_000, Ordering::Relaxed);
    }

    /// Reads what was observed so far. Times that are observed meanwhile may be in the counts and not in the sum.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let mut observed = Observed { bounds: self.bounds, counts: vec![0; BUCKETS + 1], sum: Duration::ZERO };
        for shard in self.shards.all() {
            observed.sum += Duration::from_micros(shard.micros.load(Ordering::Relaxed));
            let counts = shard.counts.iter().chain([&shard.longer]);
            observed.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count.load(Ordering::Relaxed));
        }
        observed
    }
}

impl Observed {
    /// How many times were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Adds what another histogram with the same bounds has observed.
impl std::ops::AddAssign for Observed {
    fn add_assign(&mut self, other: Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(1)];

    #[test]
    fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&BOUNDS);
        for (time, bucket) in [
            (Duration::ZERO, 0),
            (Duration::from_millis(1), 0),
            (Duration::from_nanos(1_000_001), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_secs(2), 2),
        ] {
            let before = histogram.observed();
            histogram.observe(time);
            let after = histogram.observed();
            let grown: Vec<u64> = after.counts.iter().zip(&before.counts).map(|(new, old)| new - old).collect();
            assert_eq!(grown.iter().position(|count| *count == 1), Some(bucket), "{time:?}");
            assert_eq!(grown.iter().sum::<u64>(), 1, "{time:?}");
        }
        assert_eq!(histogram.observed().sum, Duration::from_micros(3_002_000));
    }

    #[test]
    fn a_time_counts_as_often_as_it_is_told() {
        let histogram = Histogram::new(&BOUNDS);
        histogram.observe_many(Duration::from_nanos(1_500), 64);
        let mut observed = histogram.observed();
        assert_eq!((observed.count(), observed.sum), (64, Duration::from_micros(96)));
        observed += histogram.observed();
        assert_eq!((observed.counts, observed.sum), (vec![128, 0, 0], Duration::from_micros(192)));
    }
}
