//! How far one event has come to its subscribers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::index::Found;
use crate::subscriber::{AttachedSubscriber, Flushed};

/// How many subscribers are asked before the task yields.
const CHUNK: usize = 128;

/// Whether a publisher learns how far its event has come to the subscribers that it matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tracking {
    /// It does not.
    #[default]
    Off,
    /// It gets a [`Tracked`].
    On,
}

/// The subscribers that an event matched, for a publisher that waits until the event is written to their clients.
#[derive(Debug)]
pub struct Tracked {
    subscribers: Vec<Arc<AttachedSubscriber>>,
    /// Completes when all of them were offered the event.
    offered: oneshot::Receiver<()>,
}

/// How far an event has come to the subscribers that it matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveredCounts {
    /// The subscribers to whose clients it was written.
    pub written: usize,
    /// The subscribers whose clients were gone before it was written.
    pub ended: usize,
    /// The subscribers whose clients had not taken it when the time was over.
    pub waiting: usize,
}

impl Tracking {
    /// Tracks an event that these subscribers will be offered, if it is on. The sender is used when they were.
    pub(super) fn start(self, found: &[Found]) -> (Option<Tracked>, Option<oneshot::Sender<()>>) {
        if self == Self::Off {
            return (None, None);
        }
        let (tracker, offered) = oneshot::channel();
        let subscribers = found.iter().map(|found| Arc::clone(&found.attached)).collect();
        (Some(Tracked { subscribers, offered }), Some(tracker))
    }
}

impl Tracked {
    /// Waits until the event was written to the clients of all subscribers or they are gone, but for at most `most`.
    pub async fn wait(self, most: Duration) -> DeliveredCounts {
        let Self { subscribers, offered } = self;
        let mut counts = DeliveredCounts { waiting: subscribers.len(), ..DeliveredCounts::default() };
        let all = async {
            if offered.await.is_err() {
                // The broker has ended, and offers nothing more.
                return;
            }
            let mut flushing = FuturesUnordered::new();
            for (asked, subscriber) in subscribers.into_iter().enumerate() {
                match subscriber.flushed() {
                    Some(flushed) => flushing.push(flushed),
                    None if subscriber.has_ended() => counts.add(Flushed::Ended),
                    None => counts.add(Flushed::Written),
                }
                if asked % CHUNK == CHUNK - 1 {
                    yield_now().await;
                }
            }
            while let Some(flushed) = flushing.next().await {
                counts.add(flushed);
            }
        };
        // Whether the time is over or not, the counts say what has happened.
        let _ = timeout(most, all).await;
        counts
    }
}

impl DeliveredCounts {
    /// Counts one of the subscribers that were waited for.
    fn add(&mut self, flushed: Flushed) {
        self.waiting -= 1;
        match flushed {
            Flushed::Written => self.written += 1,
            Flushed::Ended => self.ended += 1,
        }
    }
}

#[cfg(test)]
mod tests;
