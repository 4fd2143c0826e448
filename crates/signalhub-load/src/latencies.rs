//! Many measured times, in little memory.

use std::time::Duration;

use hdrhistogram::Histogram;

/// How exact the times are: to 1 %.
const DIGITS: u8 = 2;

/// Times in microseconds. It grows with the longest one.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u32>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(DIGITS).expect("two digits are possible"))
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).clamp(1, 1 << 40);
        // A histogram that grows takes every value.
        let _ = self.0.record(micros);
    }

    /// Adds all times of another one.
    pub(crate) fn add(&mut self, other: &Self) {
        // Histograms that grow take each other's values.
        let _ = self.0.add(&other.0);
    }

    /// Returns the time that this percentage of all does not exceed, in milliseconds; 100 is the maximum.
    pub(crate) fn milliseconds(&self, percentile: f64) -> Option<f64> {
        let found = !self.0.is_empty();
        found.then(|| self.0.value_at_quantile(percentile / 100.0) as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_to_one_percent() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        assert_eq!(one.milliseconds(50.0), None);
        (1..=500).for_each(|ms| one.record(Duration::from_millis(ms)));
        (501..=1000).for_each(|ms| other.record(Duration::from_millis(ms)));
        one.add(&other);
        for percentile in [0.1, 1.0, 50.0, 99.0, 99.9, 100.0] {
            let found = one.milliseconds(percentile).unwrap();
            assert!((found / (percentile * 10.0) - 1.0).abs() < 0.01, "{percentile}: {found}");
        }
        one.record(Duration::MAX);
        assert!(one.milliseconds(100.0).unwrap() > 1e6);
    }
}
