//! What is queued for all clients. It is added up by the tick, because connections with queued frames get every tick.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::outbound::SendQueue;

/// A client is slow if more than its limit divided by this is queued.
const SLOW: usize = 4;

/// What is queued for some clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queued {
    bytes: usize,
    slow: usize,
}

impl Queued {
    pub(super) fn add(&mut self, send_queue: &SendQueue) {
        let traffic = send_queue.traffic();
        self.bytes += traffic.queued_bytes;
        self.slow += usize::from(traffic.queued_bytes > traffic.queue_limit / SLOW);
    }
}

/// What is queued for all clients, as of the latest tick.
#[derive(Debug, Default)]
pub(crate) struct QueueSums {
    bytes: AtomicUsize,
    slow: AtomicUsize,
}

impl QueueSums {
    pub(super) fn set(&self, queued: Queued) {
        self.bytes.store(queued.bytes, Ordering::Relaxed);
        self.slow.store(queued.slow, Ordering::Relaxed);
    }

    /// The bytes that are queued, with the overhead of each message.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many clients have more than a quarter of their limit queued.
    pub(crate) fn slow(&self) -> usize {
        self.slow.load(Ordering::Relaxed)
    }
}
