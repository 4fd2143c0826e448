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
use crate::tracking::{DeliveredCounts, Tracking};

/// How many subscribers are asked before the task yields.
const CHUNK: usize = 128;

/// The subscribers that an event matched, for a publisher that waits until the event is written to their clients.
#[derive(Debug)]
pub struct Tracked {
    subscribers: Vec<Arc<AttachedSubscriber>>,
    /// Completes when all of them were offered the event.
    offered: oneshot::Receiver<()>,
}

/// Tracks an event that these subscribers will be offered, if that is on. The sender is used when they were.
pub(super) fn start(tracking: Tracking, found: &[Found]) -> (Option<Tracked>, Option<oneshot::Sender<()>>) {
    if tracking == Tracking::Off {
        return (None, None);
    }
    let (tracker, offered) = oneshot::channel();
    let subscribers = found.iter().map(|found| Arc::clone(&found.attached)).collect();
    (Some(Tracked { subscribers, offered }), Some(tracker))
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
                    None if subscriber.has_ended() => add(&mut counts, Flushed::Ended),
                    None => add(&mut counts, Flushed::Written),
                }
                if asked % CHUNK == CHUNK - 1 {
                    yield_now().await;
                }
            }
            while let Some(flushed) = flushing.next().await {
                add(&mut counts, flushed);
            }
        };
        // Whether the time is over or not, the counts say what has happened.
        let _ = timeout(most, all).await;
        counts
    }
}

/// Counts one of the subscribers that were waited for.
fn add(counts: &mut DeliveredCounts, flushed: Flushed) {
    counts.waiting -= 1;
    match flushed {
        Flushed::Written => counts.written += 1,
        Flushed::Ended => counts.ended += 1,
    }
}

#[cfg(test)]
mod tests;
