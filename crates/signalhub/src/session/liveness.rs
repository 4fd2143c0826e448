//! When a client is pinged, and when it times out.

use std::time::Duration;

use tokio::time::Instant;

/// When a client was last pinged, and when it last sent something.
pub(super) struct Liveness {
    last_ping: Instant,
    /// `None` until the client has pinged once: the timeout of other clients does not run, as in the original.
    last_activity: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Self {
        Self { last_ping: now, last_activity: None }
    }

    /// Restarts the timeout of the client, if it runs; returns whether it does.
    pub(super) fn on_activity(&mut self) -> bool {
        match &mut self.last_activity {
            Some(last) => {
                *last = Instant::now();
                true
            }
            None => false,
        }
    }

    /// Restarts the timeout of the client after a ping; returns whether this was the first ping, with which the timeout
    /// begins.
    pub(super) fn on_ping(&mut self) -> bool {
        self.last_activity.replace(Instant::now()).is_none()
    }

    /// Returns whether a ping must be sent now, and starts the next interval if so.
    ///
    /// The interval is counted from the last ping; other messages do not restart it, as in the original.
    pub(super) fn ping_is_due(&mut self, now: Instant, interval: Duration) -> bool {
        let due = now.duration_since(self.last_ping) > interval;
        if due {
            self.last_ping = now;
        }
        due
    }

    pub(super) fn time_to_ping(&self, now: Instant, interval: Duration) -> Duration {
        interval.saturating_sub(now.duration_since(self.last_ping))
    }

    /// How long the client may still be silent; `None` if its timeout does not run.
    pub(super) fn time_to_timeout(&self, now: Instant, timeout: Duration) -> Option<Duration> {
        self.last_activity.map(|last| timeout.saturating_sub(now.duration_since(last)))
    }
}
