//! Whether a session reads messages, and if not, what blocks it.

use std::sync::Arc;

use super::pending::PendingCall;
use crate::calls::binding::UploadSink;

/// What a session does with the messages of its client.
///
/// Messages are read in order, so one that cannot be handled yet blocks all behind it.
pub(super) enum ReadState {
    /// No message is read before `on_connected` has succeeded.
    Connecting,
    /// Messages are read as they arrive.
    Reading,
    /// The call that was read last waits for a slot.
    WaitingForSlot(PendingCall),
    /// This upload holds more items than its buffer has room for, because its method does not keep up.
    UploadFull(Arc<dyn UploadSink>),
}

impl ReadState {
    pub(super) fn is_blocked(&self) -> bool {
        !matches!(self, Self::Reading)
    }

    /// Takes the call that waits for a slot, and reads on.
    pub(super) fn take_waiting_call(&mut self) -> Option<PendingCall> {
        match std::mem::replace(self, Self::Reading) {
            Self::WaitingForSlot(call) => Some(call),
            other => {
                *self = other;
                None
            }
        }
    }
}
