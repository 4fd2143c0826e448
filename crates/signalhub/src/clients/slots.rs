//! How many calls of one client may run side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The slots of one session.
#[derive(Debug)]
pub(crate) struct Slots {
    free: AtomicUsize,
    /// Wakes the session when something that held it up may be over.
    resume: Arc<Notify>,
}

impl Slots {
    pub(crate) fn new(count: usize, resume: Arc<Notify>) -> Self {
        Self { free: AtomicUsize::new(count), resume }
    }

    /// Takes a slot; only the session does, so what was free stays free until here.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Arc<Slot>> {
        let taken = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.is_ok().then(|| Arc::new(Slot { slots: Arc::clone(self), held: AtomicBool::new(true) }))
    }
}

/// A slot in use. It is given back once: when its call ends, or earlier, when the call waits for a client.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    held: AtomicBool,
}

impl Slot {
    pub(crate) fn release(&self) {
        if self.held.swap(false, Ordering::AcqRel) {
            self.slots.free.fetch_add(1, Ordering::AcqRel);
            self.slots.resume.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release();
    }
}
