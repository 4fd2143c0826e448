//! The tasks that wait in `Outbound::flushed`.

use std::collections::VecDeque;

use tokio::sync::oneshot::{Receiver, Sender, channel};

/// How a wait for queued frames ended; see [`Outbound::flushed`](crate::Outbound::flushed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flushed {
    /// The socket has taken them; on event streams and long polling, their request has.
    Written,
    /// The connection ended before they were written, or it had ended before the call.
    Ended,
}

/// The tasks that wait until frames of one queue are written. A queue has it only while there is such a task.
#[derive(Default)]
pub(super) struct Flushes {
    /// How many frames were taken from the queue since this was made.
    taken: u64,
    /// For each task, which number `taken` has to reach. The numbers do not fall, because each task waits for all frames that are
    /// queued when it begins; if a transport was lost, `restart` sets them all.
    waiting: VecDeque<(u64, Sender<Flushed>)>,
}

impl Flushes {
    /// Adds a task that waits for this many queued frames.
    pub(super) fn add(&mut self, queued: usize) -> Receiver<Flushed> {
        if self.waiting.len() == self.waiting.capacity() {
            // Futures that were dropped must not add up while the client takes nothing.
            self.waiting.retain(|(_, sender)| !sender.is_closed());
        }
        let (sender, receiver) = channel();
        self.waiting.push_back((self.taken + queued as u64, sender));
        receiver
    }

    /// Counts frames that were taken from the queue.
    pub(super) fn count(&mut self, frames: usize) {
        self.taken += frames as u64;
    }

    /// Makes all tasks wait for the frames that are queued now. What they waited for was lost with a transport, and was queued
    /// again if it was retained.
    pub(super) fn restart(&mut self, queued: usize) {
        let all = self.taken + queued as u64;
        self.waiting.iter_mut().for_each(|(frames, _)| *frames = all);
    }

    /// Completes the waits for frames that were taken.
    pub(super) fn complete(&mut self) {
        while self.waiting.front().is_some_and(|(frames, _)| *frames <= self.taken) {
            if let Some((_, sender)) = self.waiting.pop_front() {
                // A future that was dropped needs no result.
                let _ = sender.send(Flushed::Written);
            }
        }
    }

    /// Completes all waits, because the connection has ended.
    pub(super) fn end(&mut self) {
        for (_, sender) in self.waiting.drain(..) {
            let _ = sender.send(Flushed::Ended);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
