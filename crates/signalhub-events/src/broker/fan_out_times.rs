//! How long events take from their publish to their subscribers. No clock is read for a single delivery.

use std::sync::Arc;

use signalhub_counters::{Histogram, LATENCIES};
use tokio::time::Instant;

use crate::delivery::Delivery;

/// The times of all shards.
#[derive(Debug)]
pub(crate) struct FanOutTimes {
    /// From the publish of an event until a subscriber had taken it without queueing it.
    pub(super) inline: Histogram<{ LATENCIES.len() }>,
    /// From the publish of an event until the last subscriber was offered it.
    pub(super) fan_out: Histogram<{ LATENCIES.len() }>,
}

impl Default for FanOutTimes {
    fn default() -> Self {
        Self { inline: Histogram::new(&LATENCIES), fan_out: Histogram::new(&LATENCIES) }
    }
}

/// How many subscribers have taken each event of a batch. Most of them take the same events one after the other, and are added
/// together.
#[derive(Debug, Default)]
pub(super) struct WrittenInline {
    /// The events that the latest subscribers have taken, as bits, and how many of these there are.
    latest: (u64, u64),
    /// How many subscribers have taken each event before, with gaps.
    counts: Vec<u64>,
}

impl WrittenInline {
    /// Counts a subscriber that has taken these events, as bits.
    pub(super) fn add(&mut self, events: u64) {
        if self.latest.0 != events {
            self.spread();
            self.latest.0 = events;
        }
        self.latest.1 += 1;
    }

    /// Adds the latest subscribers to the counts of their events.
    fn spread(&mut self) {
        let (mut events, subscribers) = std::mem::take(&mut self.latest);
        if subscribers == 0 {
            return;
        }
        while events != 0 {
            let event = events.trailing_zeros() as usize;
            if event >= self.counts.len() {
                self.counts.resize(event + 1, 0);
            }
            self.counts[event] += subscribers;
            events &= events - 1;
        }
    }
}

impl FanOutTimes {
    /// Counts the deliveries since the last call as written now.
    pub(super) fn observe_inline(&self, written: &mut WrittenInline, batch: &[Arc<Delivery>], now: Instant) {
        written.spread();
        for (count, delivery) in written.counts.iter_mut().zip(batch) {
            if *count > 0 {
                self.inline.observe_many(now.duration_since(delivery.accepted()), std::mem::take(count));
            }
        }
    }

    /// Counts an event that no subscriber wants.
    pub(super) fn observe_unmatched(&self, accepted: Instant) {
        self.fan_out.observe(accepted.elapsed());
    }

    /// Counts the events of a batch as offered to their last subscriber now.
    pub(super) fn observe_fan_out(&self, batch: &[Arc<Delivery>], now: Instant) {
        for delivery in batch {
            self.fan_out.observe(now.duration_since(delivery.accepted()));
        }
    }
}

#[cfg(test)]
mod tests;
