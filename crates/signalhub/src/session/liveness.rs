//! When a client is pinged, and when it counts as gone.

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

    /// Notes that the client is alive; returns whether its timeout runs.
    pub(super) fn on_activity(&mut self) -> bool {
        match &mut self.last_activity {
            Some(last) => {
                *last = Instant::now();
                true
            }
            None => false,
        }
    }

    /// Notes a ping of the client; returns whether its timeout has just begun to run.
    pub(super) fn on_ping(&mut self) -> bool {
        self.last_activity.replace(Instant::now()).is_none()
    }

    /// Returns whether the client is to be pinged, and counts that as done.
    ///
    /// The interval is counted from the last ping, whatever else was sent since, as in the original.
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
