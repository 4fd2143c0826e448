//! Samples of the counters, one a second, from which rates and percentiles of the last minute are computed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use signalhub::connections::{CloseReason, ConnectionCounts};
use signalhub::events::{Broker, Durations};
use tokio::time::Instant;

use crate::cluster::Member;
use crate::http_api::counts::Counts;

/// How often the counters are read, and how many readings are kept.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
const MOST_SAMPLES: usize = 61;

/// The lengths of time that are shown.
const WINDOWS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(60)];

/// The latest readings, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<VecDeque<Reading>>);

/// What the counters showed at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    at: Instant,
    published: u64,
    deliveries: u64,
    connects: u64,
    /// The times of deliveries from publish to socket.
    latencies: Buckets,
    /// How long after their creation events of the cluster were read; `None` without a cluster.
    lag: Option<Buckets>,
}

/// How many there are in each bucket of a histogram; the last one has no bound.
#[derive(Clone, Debug)]
struct Buckets {
    counts: Vec<u64>,
    bounds: &'static [Duration],
}

/// The same over both lengths of time.
#[derive(Serialize)]
pub(super) struct Windows<T> {
    #[serde(rename = "10s")]
    pub(super) ten_seconds: T,
    #[serde(rename = "60s")]
    pub(super) minute: T,
}

/// Numbers per second.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Rates {
    published: f64,
    deliveries: f64,
    connects: f64,
}

/// Seconds, within the resolution of the buckets; `None` if nothing was delivered.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Latency {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    /// The upper bound of the highest bucket that has any.
    max: Option<f64>,
}

impl Samples {
    /// Keeps a reading, and forgets those that no window needs.
    pub(super) fn add(&self, reading: Reading) {
        let mut samples = self.lock();
        samples.push_back(reading);
        if samples.len() > MOST_SAMPLES {
            samples.pop_front();
        }
    }

    /// What changed in each window until this reading; since the start, if that is shorter.
    pub(super) fn windows(&self, now: &Reading) -> [(Rates, Latency); WINDOWS.len()] {
        let samples = self.lock();
        WINDOWS.map(|window| {
            let is_inside = |sample: &&Reading| now.at.saturating_duration_since(sample.at) <= window;
            now.since(samples.iter().find(is_inside).unwrap_or(now))
        })
    }

    /// The times of the events of a cluster in each window; `None` without one.
    pub(super) fn lag(&self, now: &Reading) -> Option<Windows<Latency>> {
        let samples = self.lock();
        let [ten_seconds, minute] = WINDOWS.map(|window| {
            let is_inside = |sample: &&Reading| now.at.saturating_duration_since(sample.at) <= window;
            let earlier = samples.iter().find(is_inside).unwrap_or(now);
            Some(now.lag.as_ref()?.since(earlier.lag.as_ref()?))
        });
        Some(Windows { ten_seconds: ten_seconds?, minute: minute? })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Reads the counters.
    pub(super) fn of(counts: &Counts, broker: &Broker) -> Self {
        let dialects = counts.dialects().iter().map(|(_, counts)| counts);
        let listeners: Vec<&ConnectionCounts> = std::iter::once(counts.connections()).chain(dialects).collect();
        let inline = broker.inline_latency();
        let (mut latencies, bounds) = (inline.counts, inline.bounds);
        for listener in &listeners {
            let queued = listener.queued_latency().counts;
            latencies.iter_mut().zip(queued).for_each(|(sum, count)| *sum += count);
        }
        let begun = |counts: &&ConnectionCounts| {
            counts.active() as u64 + CloseReason::ALL.iter().map(|reason| counts.ended(*reason)).sum::<u64>()
        };
        Self {
            at: Instant::now(),
            published: counts.published(),
            deliveries: counts.matched(),
            connects: listeners.iter().map(begun).sum(),
            latencies: Buckets { counts: latencies, bounds },
            lag: counts.cluster().and_then(Member::log_counts).map(|log| Buckets::of(&log.lag)),
        }
    }

    fn since(&self, earlier: &Self) -> (Rates, Latency) {
        let seconds = self.at.saturating_duration_since(earlier.at).as_secs_f64();
        let rate = |new: u64, old: u64| if seconds > 0.0 { new.saturating_sub(old) as f64 / seconds } else { 0.0 };
        let rates = Rates {
            published: rate(self.published, earlier.published),
            deliveries: rate(self.deliveries, earlier.deliveries),
            connects: rate(self.connects, earlier.connects),
        };
        (rates, self.latencies.since(&earlier.latencies))
    }
}

impl Buckets {
    fn of(durations: &Durations) -> Self {
        Self { counts: durations.counts.to_vec(), bounds: &Durations::BOUNDS }
    }

    /// What was added since an earlier reading.
    fn since(&self, earlier: &Self) -> Latency {
        let pairs = self.counts.iter().zip(&earlier.counts);
        let grown: Vec<u64> = pairs.map(|(new, old)| new.saturating_sub(*old)).collect();
        let percentile = |share| percentile(&grown, self.bounds, share);
        Latency {
            p50: percentile(0.5),
            p90: percentile(0.9),
            p99: percentile(0.99),
            max: grown.iter().rposition(|count| *count > 0).and_then(|bucket| upper_bound(self.bounds, bucket)),
        }
    }
}

/// The upper bound of a bucket in seconds; the last bound for the bucket that has none.
fn upper_bound(bounds: &[Duration], bucket: usize) -> Option<f64> {
    bounds.get(bucket).or(bounds.last()).map(Duration::as_secs_f64)
}

/// The time within which this share of all was, in seconds; inside a bucket all are taken as evenly spread.
fn percentile(counts: &[u64], bounds: &[Duration], share: f64) -> Option<f64> {
    let wanted = counts.iter().sum::<u64>() as f64 * share;
    let mut below = 0.0;
    for (bucket, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let count = *count as f64;
        if below + count >= wanted {
            let upper = upper_bound(bounds, bucket)?;
            let lower = bucket.checked_sub(1).and_then(|before| upper_bound(bounds, before)).unwrap_or_default();
            return Some(lower + (upper - lower) * ((wanted - below) / count));
        }
        below += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [Duration; 2] = [Duration::from_millis(10), Duration::from_millis(20)];

    fn reading(at: Instant, published: u64, latencies: [u64; 3]) -> Reading {
        let (deliveries, connects) = (published * 10, published * 2);
        let latencies = Buckets { counts: latencies.to_vec(), bounds: &BOUNDS };
        Reading { at, published, deliveries, connects, latencies, lag: None }
    }

    #[test]
    fn rates_and_percentiles_are_those_of_the_window() {
        let (samples, start) = (Samples::default(), Instant::now());
        for second in 0..100 {
            // Ten a second, and a hundred a second in the last ten seconds.
            let published = if second <= 89 { second * 10 } else { 890 + (second - 89) * 100 };
            samples.add(reading(start + Duration::from_secs(second), published, [second, 0, 0]));
        }
        assert_eq!(samples.lock().len(), MOST_SAMPLES);
        let now = reading(start + Duration::from_secs(99), 1_890, [99, 10, 0]);
        let [(ten, latency), (minute, _)] = samples.windows(&now);
        assert_eq!(ten, Rates { published: 100.0, deliveries: 1_000.0, connects: 200.0 });
        assert_eq!(minute.published, 25.0);
        assert_eq!((latency.p50, latency.max), (Some(0.01), Some(0.02)));
    }

    #[test]
    fn without_deliveries_there_are_no_percentiles_and_no_rate_is_infinite() {
        let now = reading(Instant::now(), 5, [0, 0, 0]);
        let [(rates, latency), _] = Samples::default().windows(&now);
        assert_eq!(rates, Rates { published: 0.0, deliveries: 0.0, connects: 0.0 });
        assert_eq!(latency, Latency { p50: None, p90: None, p99: None, max: None });
    }

    #[test]
    fn a_percentile_is_inside_its_bucket() {
        assert_eq!(percentile(&[4, 0, 0], &BOUNDS, 0.5), Some(0.005));
        assert_eq!(percentile(&[0, 2, 0], &BOUNDS, 0.5), Some(0.015));
        assert_eq!(percentile(&[0, 0, 9], &BOUNDS, 0.99), Some(0.02));
    }
}
