//! What all connections of a server have received and sent, and the clock that idle times are told from.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use signalhub_counters::{Histogram, LATENCIES, Observed, Sharded};
use tokio::time::Instant;

use crate::transport_kind::TransportKind;

/// What became of a delivery: an event that was to be sent to one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// It is written: the socket has taken it, or on event streams and long polling a request of the client has. It also
    /// counts if there was nothing to write.
    Written,
    /// The credentials of the client expired first, which ended its connection.
    Expired,
    /// The connection was ended because the client did not read fast enough.
    RefusedSlow,
    /// The connection ended for another reason first.
    Gone,
}

impl DeliveryOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Written, Self::Expired, Self::RefusedSlow, Self::Gone];

    /// A short name for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Expired => "expired",
            Self::RefusedSlow => "refused_slow",
            Self::Gone => "gone",
        }
    }
}

/// What one connection has received and sent, and what waits for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionTraffic {
    /// The bytes that its client has sent: those of WebSocket frames, or the bodies of POSTs.
    pub received: u64,
    /// The bytes that were sent to its client: those of WebSocket frames, or the payload of event streams and polls. The
    /// overhead of HTTP and TLS does not count.
    pub sent: u64,
    /// How many events were written to its client.
    pub deliveries: u64,
    /// The bytes that are queued for its client, with the overhead of each message.
    pub queued_bytes: usize,
    /// How many bytes may be queued.
    pub queue_limit: usize,
    /// How long the first queued message has waited, within about a second. `None` if nothing is queued.
    pub queued_for: Option<Duration>,
    /// For how long its client has sent nothing, within about a second. Pings of clients count as well.
    pub idle: Duration,
}

/// What all connections of a server have received and sent.
#[derive(Debug)]
pub(crate) struct Traffic {
    counts: Sharded<Counts>,
    /// From the publish until a queued delivery was written.
    queued_latency: Histogram<16>,
    started: Instant,
    /// Whole seconds since `started`, as of the latest tick.
    clock: AtomicU32,
}

/// The counters that one thread, or a few, change.
#[derive(Debug, Default)]
struct Counts {
    received: [AtomicU64; TransportKind::ALL.len()],
    sent: [AtomicU64; TransportKind::ALL.len()],
    deliveries: [AtomicU64; DeliveryOutcome::ALL.len()],
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            counts: Sharded::default(),
            queued_latency: Histogram::new(&LATENCIES),
            started: Instant::now(),
            clock: AtomicU32::new(0),
        }
    }
}

impl Traffic {
    /// One of this many queued deliveries is timed, and counts for all of them.
    pub(crate) const TIMED: u64 = 64;

    /// The traffic of all pairs that tests make, which nothing reads.
    pub(crate) fn of_pairs() -> Arc<Self> {
        static PAIRS: LazyLock<Arc<Traffic>> = LazyLock::new(Arc::default);
        Arc::clone(&PAIRS)
    }

    /// Sets the clock. The ticker calls it once a second.
    pub(crate) fn set_clock(&self, now: Instant) {
        let seconds = now.saturating_duration_since(self.started).as_secs();
        self.clock.store(u32::try_from(seconds).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Seconds since the start, as of the latest tick. Reading it costs one instruction.
    pub(crate) fn clock(&self) -> u32 {
        self.clock.load(Ordering::Relaxed)
    }

    /// How long ago the clock showed this.
    pub(crate) fn since(&self, clock: u32) -> Duration {
        Duration::from_secs(self.clock().saturating_sub(clock).into())
    }

    pub(crate) fn count_received(&self, kind: TransportKind, bytes: u64) {
        self.counts.here().received[kind as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts what was sent together: bytes, and the deliveries among them that are written.
    pub(crate) fn count_sent(&self, kind: TransportKind, bytes: u64, deliveries: u64) {
        let counts = self.counts.here();
        counts.sent[kind as usize].fetch_add(bytes, Ordering::Relaxed);
        if deliveries > 0 {
            counts.deliveries[DeliveryOutcome::Written as usize].fetch_add(deliveries, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_deliveries(&self, outcome: DeliveryOutcome, count: u64) {
        self.counts.here().deliveries[outcome as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// Counts the time of a delivery that was queued and timed, for all those that were not.
    pub(crate) fn observe_queued(&self, accepted: Instant) {
        self.queued_latency.observe_many(accepted.elapsed(), Self::TIMED);
    }

    /// The bytes that clients have sent so far.
    pub(crate) fn received(&self, kind: TransportKind) -> u64 {
        self.sum(|counts| &counts.received[kind as usize])
    }

    /// The bytes that were sent to clients so far.
    pub(crate) fn sent(&self, kind: TransportKind) -> u64 {
        self.sum(|counts| &counts.sent[kind as usize])
    }

    /// The deliveries so far.
    pub(crate) fn deliveries(&self, outcome: DeliveryOutcome) -> u64 {
        self.sum(|counts| &counts.deliveries[outcome as usize])
    }

    /// The times from the publish until queued deliveries were written.
    pub(crate) fn queued_latency(&self) -> Observed {
        self.queued_latency.observed()
    }

    fn sum(&self, counter: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.counts.all().map(|counts| counter(counts).load(Ordering::Relaxed)).sum()
    }
}
