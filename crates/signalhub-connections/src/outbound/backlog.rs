//! The limit on the bytes that all queues of a server hold together, and when publishers wait.
//!
//! Each queue may hold a share of its limit freely. What it holds beyond that is reserved here, so that the sum is
//! bounded even if many clients stop reading at once. A client that reads, but has more than half of its limit queued,
//! puts pressure on publishers: they wait for it for a bounded time, so that a burst does not fill its queue.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::QueueFull;
use crate::limits::Limits;

/// Publishers wait only for clients that have taken bytes within this time.
const PROGRESS: Duration = Duration::from_millis(250);

/// Waiting publishers check again after this time, because a pressure that is over by its age sends no notification.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The bytes that all queues of a server hold beyond their free shares.
#[derive(Debug)]
pub(crate) struct Backlog {
    limit: AtomicUsize,
    reserved: AtomicUsize,
    pressing: Mutex<Vec<Arc<Pressure>>>,
    /// The length of `pressing`, so that the lock is not taken when it is empty.
    count: AtomicUsize,
    /// Wakes publishers when a queue is short again.
    eased: Notify,
}

/// What the queues of all clients of a server hold together beyond their free shares. [`Limits::queued_bytes`](crate::Limits::queued_bytes) limits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BacklogUsage {
    /// The bytes that are reserved.
    pub reserved: usize,
    /// How many may be. The second half is for clients that keep reading.
    pub limit: usize,
}

/// One queue that publishers wait for. It exists from the moment when the queue is more than half full until the queue is
/// within its free share.
#[derive(Debug)]
pub(super) struct Pressure {
    since: Instant,
    /// The longest time that publishers wait for it. A client that is slower for longer no longer delays them.
    longest_wait: Duration,
    /// When its client last took bytes, in milliseconds after `since`.
    progressed: AtomicU64,
    /// Whether it is more than half full now.
    presses: AtomicBool,
}

/// The bytes that one queue has reserved.
#[derive(Debug)]
pub(super) struct Reservation {
    backlog: Arc<Backlog>,
    bytes: usize,
    pressure: Option<Arc<Pressure>>,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            limit: AtomicUsize::new(Limits::default().queued()),
            reserved: AtomicUsize::new(0),
            pressing: Mutex::default(),
            count: AtomicUsize::new(0),
            eased: Notify::new(),
        }
    }
}

impl Backlog {
    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// How much is reserved, and the limit.
    pub(crate) fn usage(&self) -> BacklogUsage {
        let [reserved, limit] = [&self.reserved, &self.limit].map(|bytes| bytes.load(Ordering::Relaxed));
        BacklogUsage { reserved, limit }
    }

    /// Reserves more for a queue. The second half of the limit is reserved for clients that read.
    fn grow(&self, bytes: usize, progresses: impl FnOnce() -> bool) -> Result<(), QueueFull> {
        let limit = self.limit.load(Ordering::Relaxed);
        let reserved = self.reserved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if reserved <= limit / 2 || (reserved <= limit && progresses()) {
            return Ok(());
        }
        self.reserved.fetch_sub(bytes, Ordering::Relaxed);
        Err(QueueFull)
    }

    fn is_short(&self) -> bool {
        self.reserved.load(Ordering::Relaxed) > self.limit.load(Ordering::Relaxed) / 4
    }

    fn is_pressed(&self) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let now = Instant::now();
        self.lock().iter().any(|pressure| pressure.is_worth_waiting(now))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Pressure>>> {
        self.pressing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether nothing is reserved and publishers wait for no queue.
    #[cfg(test)]
    pub(super) fn is_forgotten(&self) -> bool {
        self.lock().is_empty() && self.reserved.load(Ordering::Relaxed) == 0
    }

    /// Waits while a client that reads is far behind, for at most `most`. Returns how long it waited.
    pub(super) async fn wait(&self, most: Duration) -> Duration {
        if !self.is_pressed() {
            return Duration::ZERO;
        }
        let begun = Instant::now();
        while begun.elapsed() < most && self.is_pressed() {
            // Whether it was notified or the time has passed, the condition is checked again.
            let _ = tokio::time::timeout(LOOK_AGAIN.min(most), self.eased.notified()).await;
        }
        begun.elapsed()
    }
}

impl Pressure {
    fn is_worth_waiting(&self, now: Instant) -> bool {
        let age = now.duration_since(self.since);
        let progressed = Duration::from_millis(self.progressed.load(Ordering::Relaxed));
        self.presses.load(Ordering::Relaxed) && age < self.longest_wait && age.saturating_sub(progressed) < PROGRESS
    }

    fn progress(&self, now: Instant) {
        let age = now.duration_since(self.since).as_millis();
        self.progressed.store(u64::try_from(age).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Reservation {
    pub(super) fn new(backlog: Arc<Backlog>) -> Self {
        Self { backlog, bytes: 0, pressure: None }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Raises the reservation of a queue to `bytes`. With more than `half`, publishers wait for it.
    pub(super) fn grow(
        &mut self,
        bytes: usize,
        half: usize,
        longest_wait: Duration,
        progresses: impl FnOnce() -> bool,
    ) -> Result<(), QueueFull> {
        self.backlog.grow(bytes.saturating_sub(self.bytes), progresses)?;
        self.bytes = self.bytes.max(bytes);
        if bytes > half || self.backlog.is_short() {
            let backlog = &self.backlog;
            let pressure = self.pressure.get_or_insert_with(|| {
                let pressure = Arc::new(Pressure {
                    since: Instant::now(),
                    longest_wait,
                    progressed: AtomicU64::new(0),
                    presses: AtomicBool::new(true),
                });
                let mut pressing = backlog.lock();
                pressing.push(Arc::clone(&pressure));
                backlog.count.store(pressing.len(), Ordering::Release);
                pressure
            });
            pressure.presses.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lowers the reservation of a queue that got shorter.
    pub(super) fn shrink(&mut self, bytes: usize, half: usize) {
        if bytes >= self.bytes {
            return;
        }
        self.backlog.reserved.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        self.bytes = bytes;
        let Some(pressure) = &self.pressure else { return };
        pressure.progress(Instant::now());
        if bytes <= half && !self.backlog.is_short() && pressure.presses.swap(false, Ordering::Relaxed) {
            self.backlog.eased.notify_waiters();
        }
        if bytes == 0 {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(released) = self.pressure.take() {
            let mut pressing = self.backlog.lock();
            pressing.retain(|pressure| !Arc::ptr_eq(pressure, &released));
            self.backlog.count.store(pressing.len(), Ordering::Release);
            drop(pressing);
            self.backlog.eased.notify_waiters();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.backlog.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
        self.release();
    }
}
