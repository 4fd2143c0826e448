//! What others tell a connection's own task.

use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;

/// The original looks at all connections once a second; timers of connections are as fine as that.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Something that happened, for the task of a connection.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Signal {
    /// A second has passed.
    Tick = 1,
    /// The server stops.
    Drain = 2,
    /// The connection was ended by somebody else; the queue says why.
    Ended = 4,
    /// There is something to write, or bytes came by another way than the socket.
    Moved = 8,
    /// The application wants the connection to end.
    Abort = 16,
    /// A new transport waits for the connection.
    Arrived = 32,
    /// The client has brought new credentials.
    Renewed = 64,
}

/// The pending signals of one connection and the task that waits for them.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    pending: AtomicU8,
    /// How many ticks to come have nothing to tell.
    spared: AtomicU16,
    task: AtomicWaker,
}

impl Signals {
    pub(crate) fn raise(&self, signal: Signal) {
        self.pending.fetch_or(signal as u8, Ordering::AcqRel);
        self.task.wake();
    }

    /// Counts a tick, and tells whether it is one that the task needs.
    pub(crate) fn is_due(&self) -> bool {
        // Most ticks are spared, and then nothing of the connection is touched but this.
        self.spared.fetch_update(Ordering::AcqRel, Ordering::Acquire, |spared| spared.checked_sub(1)).is_err()
    }

    /// Sets how many of the ticks to come have nothing to tell.
    pub(crate) fn spare(&self, ticks: u16) {
        self.spared.store(ticks, Ordering::Release);
    }

    /// Must come before looking at the signals, so that none raised in between is slept through.
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
