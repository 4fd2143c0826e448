//! How many calls of one client may run at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The slots of one session.
#[derive(Debug)]
pub(crate) struct CallSlots {
    free: AtomicUsize,
    /// Wakes the session when what blocks reading may be over.
    resume: Arc<Notify>,
}

impl CallSlots {
    /// Without a slot no call could ever run, so there is at least one.
    pub(crate) fn new(count: usize, resume: Arc<Notify>) -> Self {
        Self { free: AtomicUsize::new(count.max(1)), resume }
    }

    /// Takes a slot, if one is free. Only the session takes slots.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Arc<CallSlot>> {
        let taken = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.is_ok().then(|| Arc::new(CallSlot { slots: Arc::clone(self), held: AtomicBool::new(true) }))
    }
}

/// A slot in use. It is released once: when its call ends, or earlier, when the call waits for the result of a client.
#[derive(Debug)]
pub(crate) struct CallSlot {
    slots: Arc<CallSlots>,
    held: AtomicBool,
}

impl CallSlot {
    pub(crate) fn release(&self) {
        if self.held.swap(false, Ordering::AcqRel) {
            self.slots.free.fetch_add(1, Ordering::AcqRel);
            self.slots.resume.notify_one();
        }
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        self.release();
    }
}
