//! Whether a session reads messages, and if not, what blocks it.
//!
//! ```text
//!                 on_connected                  a call finds no slot
//!   Connecting ───────────────▶ Reading ◀──────────────────────────────▶ WaitingForSlot(call)
//!                 succeeded        ▲             a slot is free
//!                                  │
//!                                  │  an item fills its upload / the upload has room
//!                                  └───────────────────────────────────▶ UploadFull(upload)
//! ```

use std::sync::Arc;

use super::pending::PendingCall;
use crate::calls::binding::UploadSink;

/// What a session does with the messages of its client.
///
/// Messages are handled in order, so one that must wait blocks all messages after it.
pub(super) enum ReadState {
    /// No message is read before `on_connected` has succeeded.
    Connecting,
    /// Messages are read as they arrive.
    Reading,
    /// The call that was read last waits for a slot.
    WaitingForSlot(PendingCall),
    /// The buffer of this upload is full, because its method reads more slowly than the client sends.
    UploadFull(Arc<dyn UploadSink>),
}

impl ReadState {
    pub(super) fn is_blocked(&self) -> bool {
        !matches!(self, Self::Reading)
    }

    /// Returns the call that waits for a slot, if one does, and reads messages from then on.
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
