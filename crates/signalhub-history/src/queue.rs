//! The events that wait to be written.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use signalhub_events::{Append, LogUnavailable};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use crate::row::content_bytes;

/// How many events one transaction has at most.
const BATCH_EVENTS: usize = 1_024;

/// How many bytes of events one transaction has at most, unless its only event is larger.
const BATCH_BYTES: u64 = 1 << 20;

/// A bounded queue from the tasks of publishers to the thread that writes.
#[derive(Debug)]
pub(crate) struct Queue {
    /// One for each further event that may wait.
    room: Semaphore,
    most: usize,
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug)]
struct State {
    appends: VecDeque<Append>,
    syncs: Vec<Waiting>,
    closed: bool,
}

/// A caller that waits until everything that was written is durable. It gets an error when this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting(oneshot::Sender<()>);

impl Waiting {
    /// Tells it that everything is durable.
    pub(crate) fn tell(self) {
        // It may have stopped waiting.
        let _ = self.0.send(());
    }
}

/// What the writer finds in the queue.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Events, in the order in which they were queued.
    Batch(Vec<Append>),
    /// The time is over.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

impl Queue {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let state = Mutex::new(State { appends: VecDeque::new(), syncs: Vec::new(), closed: false });
        Self { room: Semaphore::new(most), most, state, filled: Condvar::new() }
    }

    /// Adds an event as soon as there is room.
    pub(crate) async fn push(&self, append: Append) -> Result<(), LogUnavailable> {
        let permit = self.room.acquire().await.map_err(|_| LogUnavailable)?;
        let mut state = self.lock();
        if state.closed {
            return Err(LogUnavailable);
        }
        // The writer gives it back when it takes the event.
        permit.forget();
        state.appends.push_back(append);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits until all events that were written before are durable.
    pub(crate) async fn sync(&self) -> Result<(), LogUnavailable> {
        // As many may wait as events may.
        let _permit = self.room.acquire().await.map_err(|_| LogUnavailable)?;
        let (sender, outcome) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.closed {
                return Err(LogUnavailable);
            }
            state.syncs.push(Waiting(sender));
        }
        self.filled.notify_one();
        outcome.await.map_err(|_| LogUnavailable)
    }

    /// Takes the callers that wait until everything is durable.
    pub(crate) fn take_syncs(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.lock().syncs)
    }

    /// Takes the events of one transaction. Waits for the first until the deadline; a deadline that is over takes what is there. It does not
    /// wait while callers wait until everything is durable.
    pub(crate) fn take(&self, deadline: Instant) -> Taken {
        let mut state = self.lock();
        while state.appends.is_empty() {
            if !state.syncs.is_empty() {
                return Taken::Nothing;
            }
            if state.closed {
                return Taken::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Nothing;
            }
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut bytes = 0;
        let fits = |append: &Append| {
            bytes += content_bytes(&append.event);
            bytes <= BATCH_BYTES
        };
        let count = state.appends.iter().take(BATCH_EVENTS).map(fits).take_while(|fits| *fits).count().max(1);
        let batch: Vec<_> = state.appends.drain(..count).collect();
        drop(state);
        self.room.add_permits(batch.len());
        Taken::Batch(batch)
    }

    /// Takes everything.
    pub(crate) fn drain(&self) -> Vec<Append> {
        let all: Vec<_> = self.lock().appends.drain(..).collect();
        self.room.add_permits(all.len());
        all
    }

    /// Refuses further events. The writer still takes those that wait.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.filled.notify_one();
    }

    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        self.most.saturating_sub(self.room.available_permits())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
