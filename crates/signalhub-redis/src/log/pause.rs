//! The pauses of a reader.
//!
//! A read costs two system calls and wakes two tasks, whether it brings one event or many. A node without subscribers wants events for its
//! history alone, so its reader pauses between two reads, and each read brings more of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// How long a pause is at most.
const PAUSE: Duration = Duration::from_millis(50);

/// For how long there is no pause after something of this node, or the publisher at another one, has waited for an event.
const AWAKE: Duration = Duration::from_secs(1);

/// The pauses of the reader of one server.
#[derive(Debug, Default)]
pub(super) struct Pause {
    ended: Notify,
    awaited: Mutex<Option<Instant>>,
}

impl Pause {
    /// Ends a pause, because something waits for an event.
    pub(super) fn end(&self) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.ended.notify_one();
    }

    /// Pauses, unless something has waited for an event a short time ago.
    pub(super) async fn begin(&self) {
        let awaited = *self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if awaited.is_none_or(|awaited| awaited.elapsed() >= AWAKE) {
            drop(timeout(PAUSE, self.ended.notified()).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_when_something_waits_and_none_follows_for_a_second() {
        let pause = Pause::default();
        let begun = Instant::now();
        pause.begin().await;
        assert_eq!(begun.elapsed(), PAUSE);
        tokio::join!(pause.begin(), async { pause.end() });
        pause.begin().await;
        assert_eq!(begun.elapsed(), PAUSE);
        tokio::time::advance(AWAKE).await;
        pause.begin().await;
        assert_eq!(begun.elapsed(), PAUSE + AWAKE + PAUSE);
    }
}
