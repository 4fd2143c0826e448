//! The limits of one send queue.

use std::time::Duration;

use crate::frame::Frame;

/// The memory that a queued frame takes beside its bytes: its slot in the queue and the overhead of its allocation.
const FRAME_OVERHEAD: usize = 96;

/// A queue may hold its limit divided by this without a reservation. For more, it reserves bytes in the server's backlog.
const FREE_SHARE: usize = 16;

/// `ready` returns when no more than this is queued, or no more than the free share if that is less.
const READY: usize = 64 * 1024;

/// The limits of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// How many bytes may be queued, and how many retained, behind the first frame.
    pub(crate) bytes: usize,
    /// How long frames may be queued while the client takes none of them.
    pub(crate) stall: Duration,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, stall: Duration::from_secs(10) }
    }
}

impl QueueLimits {
    pub(super) fn ready(&self) -> usize {
        READY.min(self.free())
    }

    pub(super) fn free(&self) -> usize {
        self.bytes / FREE_SHARE
    }

    /// With more bytes reserved than this, publishers wait for the client.
    pub(super) fn half(&self) -> usize {
        (self.bytes / 2).saturating_sub(self.free())
    }
}

/// A frame exceeds a limit of the queue.
#[derive(Debug)]
pub(super) struct QueueFull;

/// How much a queued frame counts against the limits: its bytes and its overhead, so that empty frames count too.
pub(super) fn cost(frame: &Frame) -> usize {
    frame.len() + FRAME_OVERHEAD
}
