//! What one queue may hold.

use std::time::Duration;

use crate::frame::Frame;

/// What a queued frame takes beside its bytes: its place in the queue and its share of the allocator.
const FRAME_OVERHEAD: usize = 96;

/// A queue may hold this share of its limit freely; the rest is reserved from what a server holds for clients that are
/// behind.
const FREE_SHARE: usize = 16;

/// With no more than this queued, or than the free share, `ready` lets streams and completions go on.
const READY: usize = 64 * 1024;

/// The limits of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// What may be queued, and what may be kept, behind the first frame.
    pub(crate) bytes: usize,
    /// How long a transport may take nothing while something is queued.
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

    /// How much of what is not free a queue may have reserved before publishers wait for its client.
    pub(super) fn half(&self) -> usize {
        (self.bytes / 2).saturating_sub(self.free())
    }
}

/// There is no room for a frame.
#[derive(Debug)]
pub(super) struct QueueFull;

/// What a queued frame counts: its bytes and what holding them takes, so that a million empty frames count too.
pub(super) fn cost(frame: &Frame) -> usize {
    frame.len() + FRAME_OVERHEAD
}
