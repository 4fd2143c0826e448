//! What other tasks signal to a connection's own task.

use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
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
    /// Another task has ended the connection; the queue has the reason.
    Ended = 4,
    /// There is something to write, or a POST has brought bytes.
    Moved = 8,
    /// The application wants the connection to end.
    Abort = 16,
    /// A new transport waits for the connection.
    Arrived = 32,
    /// A later request of the client had new credentials.
    Renewed = 64,
}

/// The pending signals of one connection and the task that waits for them.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pending: AtomicU8,
    /// How many of the next ticks are suppressed.
    spared: AtomicU16,
    task: AtomicWaker,
}

impl Signals {
    pub(crate) fn raise(&self, signal: Signal) {
        self.pending.fetch_or(signal as u8, Ordering::AcqRel);
        self.task.wake();
    }

    /// Counts a tick, and returns whether the task gets it.
    pub(crate) fn is_due(&self) -> bool {
        // Most ticks are suppressed, and then this is the only memory of the connection that is touched.
        self.spared.fetch_update(Ordering::AcqRel, Ordering::Acquire, |spared| spared.checked_sub(1)).is_err()
    }

    /// Sets how many of the next ticks are suppressed.
    pub(crate) fn spare(&self, ticks: u16) {
        self.spared.store(ticks, Ordering::Release);
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
