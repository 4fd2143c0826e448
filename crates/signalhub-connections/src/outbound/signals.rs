//! Signals: how other tasks wake a connection's own task, and for which reason.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;

/// The original checks all connections once a second; timers of connections have that resolution.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Something that happened, for the task of a connection.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Signal {
    /// A second has passed.
    Tick = 1,
    /// The server stops.
    Drain = 2,
    /// Another task has ended the connection. The queue holds the reason.
    Ended = 4,
    /// A frame was queued, or a POST has added bytes to the inbox.
    Moved = 8,
    /// The application has called `Outbound::abort`.
    Abort = 16,
    /// A new transport waits in the handover.
    Arrived = 32,
    /// The client has new credentials. The send queue holds them.
    Renewed = 64,
    /// Credentials were revoked, perhaps those of the connection.
    Revoked = 128,
}

/// The pending signals of one connection and the task that waits for them.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pending: AtomicU8,
    /// The task does not get this many of the next ticks.
    ticks_to_skip: AtomicU16,
    /// A task waits in `Outbound::flushed`, perhaps for bytes that a stream of the connection's task keeps.
    flush_is_awaited: AtomicBool,
    task: AtomicWaker,
}

impl Signals {
    pub(crate) fn raise(&self, signal: Signal) {
        self.pending.fetch_or(signal as u8, Ordering::AcqRel);
        self.task.wake();
    }

    /// Counts a tick, and returns whether the task gets it.
    pub(crate) fn is_due(&self) -> bool {
        // Most ticks are skipped. For a skipped tick, no other memory of the connection is touched.
        self.ticks_to_skip
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |ticks_to_skip| ticks_to_skip.checked_sub(1))
            .is_err()
    }

    /// Skips this many of the next ticks. It replaces the number that was set before.
    pub(crate) fn skip_ticks(&self, ticks: u16) {
        self.ticks_to_skip.store(ticks, Ordering::Release);
    }

    /// Sets whether the task has to report that it has flushed its stream. Only the owner of the queue's lock may call it.
    pub(crate) fn set_flush_is_awaited(&self, is_awaited: bool) {
        self.flush_is_awaited.store(is_awaited, Ordering::Release);
    }

    pub(crate) fn is_flush_awaited(&self) -> bool {
        self.flush_is_awaited.load(Ordering::Acquire)
    }

    /// Must be called before the signals are read, so that a signal raised in between wakes the task.
    pub(crate) fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    pub(crate) fn is_raised(&self, signal: Signal) -> bool {
        self.pending.load(Ordering::Acquire) & signal as u8 != 0
    }

    pub(crate) fn take(&self, signal: Signal) -> bool {
        self.is_raised(signal) && self.pending.fetch_and(!(signal as u8), Ordering::AcqRel) & signal as u8 != 0
    }
}
