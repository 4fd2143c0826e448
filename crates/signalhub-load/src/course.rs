//! What the tasks of a run share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::latencies::Latencies;
use crate::payload::{Mark, Payloads};
use crate::schedule::Schedule;

/// For how many events at most the first and the last arrival are kept; of more events, for one of several.
const SPREADS: u64 = 1 << 20;

/// What the tasks of a run share.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) schedule: Schedule,
    pub(crate) payloads: Payloads,
    pub(crate) target: Option<String>,
    pub(crate) late: Duration,
    pub(crate) live: std::sync::Arc<Live>,
    spreads: Spreads,
}

/// Counts how far a run is, while it runs. Each run has its own.
#[derive(Debug, Default)]
pub struct Live {
    start: OnceLock<Instant>,
    stages: OnceLock<(Duration, Duration)>,
    pub(crate) connected: AtomicU64,
    pub(crate) connection_failures: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) ended: AtomicU64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// What it does now.
    pub stage: Stage,
    /// How many connections were opened.
    pub connected: u64,
    /// How many could not be opened.
    pub connection_failures: u64,
    /// How many connections have ended before the run.
    pub ended: u64,
    /// How many events the server has accepted, those of the warm-up included.
    pub published: u64,
    /// How many deliveries have come, those of the warm-up included.
    pub delivered: u64,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It opens connections.
    Connecting,
    /// It sends what is not measured yet.
    WarmingUp {
        /// For how long.
        since: Duration,
        /// How long in all.
        of: Duration,
    },
    /// It sends and measures.
    Measuring {
        /// For how long.
        since: Duration,
        /// How long in all.
        of: Duration,
    },
    /// It waits for what was sent.
    Waiting,
}

impl Live {
    /// Tells how far the run is.
    pub fn snapshot(&self) -> Snapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Snapshot {
            stage: self.stage(),
            connected: read(&self.connected),
            connection_failures: read(&self.connection_failures),
            ended: read(&self.ended),
            published: read(&self.published),
            delivered: read(&self.delivered),
        }
    }

    fn stage(&self) -> Stage {
        let (Some(start), Some((warm_up, duration))) = (self.start.get(), self.stages.get()) else {
            return Stage::Connecting;
        };
        let since = start.elapsed();
        if since < *warm_up {
            Stage::WarmingUp { since, of: *warm_up }
        } else if since < *warm_up + *duration {
            Stage::Measuring { since: since - *warm_up, of: *duration }
        } else {
            Stage::Waiting
        }
    }
}

impl Course {
    pub(crate) fn new(
        schedule: Schedule,
        payloads: Payloads,
        target: Option<String>,
        late: Duration,
        live: std::sync::Arc<Live>,
    ) -> Self {
        // A second run with the same counters would have to reset them; there is none.
        let _ = live.stages.set((schedule.warm_up, schedule.duration));
        Self { schedule, payloads, target, late, live, spreads: Spreads::of(schedule.events()) }
    }

    /// Begins: the first event is due now.
    pub(crate) fn begin(&self, now: Instant) {
        let _ = self.live.start.set(now);
    }

    /// When the run began. No event comes before.
    pub(crate) fn start(&self) -> Instant {
        self.live.start.get().copied().unwrap_or_else(Instant::now)
    }

    /// When an event is due.
    pub(crate) fn due(&self, event: u64) -> Instant {
        self.start() + self.schedule.rate.due(event)
    }

    /// Writes the payload of an event.
    pub(crate) fn payload(&self, event: u64) -> String {
        let (stream, sequence) = self.schedule.place(event);
        let due = u64::try_from(self.schedule.rate.due(event).as_nanos()).unwrap_or(u64::MAX);
        self.payloads.write(Mark { stream, sequence, due })
    }

    /// Notes that a receiver got an event, this long after the start.
    pub(crate) fn arrived(&self, event: u64, since_start: Duration) {
        self.spreads.note(event, since_start);
    }

    /// The times between the first and the last arrival of each event from this one on.
    pub(crate) fn spreads_from(&self, event: u64) -> Latencies {
        self.spreads.from(event)
    }
}

/// When events arrived first and last, in nanoseconds after the start.
#[derive(Debug)]
struct Spreads {
    /// One of this number of events is kept.
    step: u64,
    first: Vec<AtomicU64>,
    last: Vec<AtomicU64>,
}

impl Spreads {
    fn of(events: u64) -> Self {
        let step = events.div_ceil(SPREADS).max(1);
        let kept = events.div_ceil(step);
        let all = |value| (0..kept).map(|_| AtomicU64::new(value)).collect();
        Self { step, first: all(u64::MAX), last: all(0) }
    }

    fn note(&self, event: u64, since_start: Duration) {
        if !event.is_multiple_of(self.step) {
            return;
        }
        let index = usize::try_from(event / self.step).unwrap_or(usize::MAX);
        let (Some(first), Some(last)) = (self.first.get(index), self.last.get(index)) else { return };
        let time = u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX);
        // Few arrivals are the first ones, and reading is cheaper than changing.
        if time < first.load(Ordering::Relaxed) {
            first.fetch_min(time, Ordering::Relaxed);
        }
        last.fetch_max(time, Ordering::Relaxed);
    }

    fn from(&self, event: u64) -> Latencies {
        let mut spreads = Latencies::default();
        let index = usize::try_from(event.div_ceil(self.step)).unwrap_or(usize::MAX);
        for (first, last) in self.first.iter().zip(&self.last).skip(index) {
            let (first, last) = (first.load(Ordering::Relaxed), last.load(Ordering::Relaxed));
            if first <= last {
                spreads.record(Duration::from_nanos(last - first));
            }
        }
        spreads
    }
}
