//! The polls that carry messages to the client (transports, Long Polling).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::close::CloseReason;
use crate::outbound::SendQueue;
use crate::transport::inbox::Inbox;

/// With this many bytes, the answer to a poll gets no further message.
const BYTES_PER_ANSWER: usize = 1 << 20;

/// The polls of one connection. Only one of them waits: a newer one replaces it.
#[derive(Debug)]
pub(crate) struct Polls {
    inbox: Arc<Inbox>,
    timeout: Duration,
    /// How long the client may have no poll open.
    disconnect_timeout: Duration,
    /// The number of the newest poll. A waiting poll with a lower number ends.
    newest: AtomicU64,
    replaced: Notify,
    turn: tokio::sync::Mutex<()>,
    presence: Mutex<Presence>,
    /// The handler has ended: nothing follows what is queued.
    finished: AtomicBool,
}

/// How many polls the client has open, and since when it has none.
#[derive(Debug)]
struct Presence {
    waiting: usize,
    since: Instant,
}

/// How a poll ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// With the queued messages.
    Data(Bytes),
    /// Without a message, after the poll timeout.
    TimedOut,
    /// By a newer poll.
    Replaced,
    /// The connection has ended and everything was taken.
    Ended,
}

impl Polls {
    pub(crate) fn new(inbox: Arc<Inbox>, timeout: Duration, disconnect_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            inbox,
            timeout,
            disconnect_timeout,
            newest: AtomicU64::new(0),
            replaced: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
            presence: Mutex::new(Presence { waiting: 0, since: Instant::now() }),
            finished: AtomicBool::new(false),
        })
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Waits for messages, after the poll before it has ended. The client is [present](Present) meanwhile.
    ///
    /// Messages are taken only when they are returned, so a poll that is dropped loses nothing.
    pub(crate) async fn poll(&self) -> Polled {
        let number = self.newest.fetch_add(1, Ordering::AcqRel) + 1;
        self.replaced.notify_waiters();
        let _turn = self.turn.lock().await;
        let replaced = async {
            loop {
                let notified = self.replaced.notified();
                if self.newest.load(Ordering::Acquire) != number {
                    return;
                }
                notified.await;
            }
        };
        tokio::select! {
            biased;
            frames = self.inbox.send_queue().take(usize::MAX, BYTES_PER_ANSWER) => match frames {
                None => Polled::Ended,
                Some(frames) => {
                    let mut data = Vec::new();
                    frames.iter().for_each(|frame| data.extend_from_slice(&frame.payload()));
                    Polled::Data(data.into())
                }
            },
            () = replaced => Polled::Replaced,
            () = tokio::time::sleep(self.timeout) => Polled::TimedOut,
        }
    }

    /// Tells whether the client had no poll open for longer than the disconnect timeout.
    pub(crate) fn is_deserted(&self, now: Instant) -> bool {
        let presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        presence.waiting == 0 && now.duration_since(presence.since) > self.disconnect_timeout
    }

    /// Ends the connection for its client.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.inbox.end(reason);
    }

    /// Records that the handler has ended.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }
}

/// Counts a poll as open, from its request until its client has read the answer.
#[derive(Debug)]
pub(crate) struct Present(Arc<Polls>);

impl Present {
    pub(crate) fn new(polls: &Arc<Polls>) -> Self {
        polls.presence.lock().unwrap_or_else(PoisonError::into_inner).waiting += 1;
        Self(Arc::clone(polls))
    }

    /// The queue of the connection.
    pub(crate) fn send_queue(&self) -> &Arc<SendQueue> {
        self.0.inbox.send_queue()
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut presence = self.0.presence.lock().unwrap_or_else(PoisonError::into_inner);
        presence.waiting -= 1;
        presence.since = Instant::now();
    }
}

#[cfg(test)]
mod tests;
