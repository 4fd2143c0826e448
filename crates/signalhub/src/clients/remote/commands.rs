//! Group commands that this server has sent and that are not acknowledged yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::backplane::CommandId;

/// The group commands of this server. Their numbers count from 1, as those of the original.
#[derive(Debug)]
pub(super) struct Commands {
    next: AtomicI32,
    pending: Mutex<HashMap<CommandId, oneshot::Sender<()>>>,
}

impl Default for Commands {
    fn default() -> Self {
        Self { next: AtomicI32::new(1), pending: Mutex::default() }
    }
}

impl Commands {
    fn lock(&self) -> MutexGuard<'_, HashMap<CommandId, oneshot::Sender<()>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a command, which is pending until the `Pending` is dropped.
    pub(super) fn begin(&self) -> Pending<'_> {
        let id = CommandId(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, acknowledged) = oneshot::channel();
        self.lock().insert(id, sender);
        Pending { commands: self, id, acknowledged }
    }

    /// Ends the wait for an ack; an ack that is late or unknown is ignored.
    pub(super) fn acknowledge(&self, id: CommandId) {
        if let Some(sender) = self.lock().remove(&id) {
            let _ = sender.send(());
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

/// A command that waits for its ack.
pub(super) struct Pending<'a> {
    commands: &'a Commands,
    id: CommandId,
    acknowledged: oneshot::Receiver<()>,
}

impl Pending<'_> {
    pub(super) fn id(&self) -> CommandId {
        self.id
    }

    pub(super) async fn acknowledged(mut self) {
        // The sender is dropped only after it was used, or with this command.
        let _ = (&mut self.acknowledged).await;
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.commands.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
