//! The lock around a queue, which wakes those who wait for room when it is released.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::backlog::Backlog;
use super::limits::QueueLimits;
use super::queue::Queue;
use super::writer::Writer;

/// A queue that several tasks use.
pub(super) struct SharedQueue {
    queue: Mutex<Queue>,
    /// Wakes those who wait for room. Only [`LockedQueue`] notifies it.
    pub(super) room: Notify,
    pub(super) limits: QueueLimits,
}

impl SharedQueue {
    pub(super) fn new(limits: QueueLimits, backlog: Arc<Backlog>, writer: Writer) -> Self {
        Self { queue: Mutex::new(Queue::new(writer, backlog)), room: Notify::new(), limits }
    }

    /// The lock is held for a few instructions or one non-blocking write, never across an await.
    pub(super) fn lock(&self) -> LockedQueue<'_> {
        LockedQueue { shared: self, queue: self.queue.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Reads the byte beside the queue: taking the lock would wait for the memory.
    pub(super) fn prefetch(&self) {
        std::hint::black_box(self.queue.is_poisoned());
    }
}

/// The queue inside a send queue, locked.
///
/// Unlocking it is the one place that gives back what a shorter queue has reserved, and that wakes those who
/// wait for room in [`Outbound::ready`](crate::Outbound::ready). Whatever made the room, a write
/// by a sender or by the task, a transport that was lost, or the end, cannot forget them.
pub(super) struct LockedQueue<'a> {
    shared: &'a SharedQueue,
    queue: MutexGuard<'a, Queue>,
}

impl Deref for LockedQueue<'_> {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

impl DerefMut for LockedQueue<'_> {
    fn deref_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }
}

impl LockedQueue<'_> {
    /// Not inlined, so that the usual end of a lock stays a few instructions wherever there is one.
    #[inline(never)]
    fn settle(&mut self) {
        self.queue.give_back(&self.shared.limits);
        if self.queue.room_is_awaited && self.queue.has_room(self.shared.limits.ready()) {
            self.queue.room_is_awaited = false;
            // Waking a task takes no lock of the connection's.
            self.shared.room.notify_waiters();
        }
    }
}

impl Drop for LockedQueue<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.queue.is_watched() {
            self.settle();
        }
    }
}
