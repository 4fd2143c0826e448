//! The lock around a queue. Releasing it wakes the tasks that wait for room, or until frames are written.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::backlog::Backlog;
use super::limits::QueueLimits;
use super::queue::Queue;
use super::writer::Writer;
use crate::counts::traffic::Traffic;

/// A queue that several tasks use.
pub(super) struct SharedQueue {
    queue: Mutex<Queue>,
    /// Wakes the tasks that wait for room. Only [`LockedQueue`] notifies it.
    pub(super) room: Notify,
    pub(super) limits: QueueLimits,
}

impl SharedQueue {
    pub(super) fn new(limits: QueueLimits, backlog: Arc<Backlog>, traffic: Arc<Traffic>, writer: Writer) -> Self {
        Self { queue: Mutex::new(Queue::new(writer, backlog, traffic)), room: Notify::new(), limits }
    }

    /// The lock is held for a few instructions or one non-blocking write, never across an await.
    pub(super) fn lock(&self) -> LockedQueue<'_> {
        LockedQueue { shared: self, queue: self.queue.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Loads the queue into the processor's cache, by reading a byte beside it without taking the lock.
    pub(super) fn prefetch(&self) {
        std::hint::black_box(self.queue.is_poisoned());
    }
}

/// The queue inside a send queue, locked.
///
/// Only its `drop` gives back reservations and wakes the tasks that wait in [`Outbound::ready`](crate::Outbound::ready) and
/// [`Outbound::flushed`](crate::Outbound::flushed). It does so after every change that made the queue shorter: a write by a sender or by the task, the loss of the
/// transport, or the end of the connection.
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
        if self.queue.is_awaited {
            // Waking a task takes no lock of the connection, so this cannot deadlock.
            let has_room = self.queue.has_room(self.shared.limits.ready());
            if has_room {
                self.shared.room.notify_waiters();
            }
            self.queue.settle_flushes();
            self.queue.is_awaited = !has_room || self.queue.flushes.is_some();
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
