//! The start of a node waits for Redis, for a bounded time in all.

use std::fmt::Display;
use std::time::Duration;

use signalhub_redis::link::backoff::Backoff;
use tokio::time::{Instant, sleep};

/// How long a node waits for Redis when it starts.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(30);

/// Until when a node that starts waits for Redis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starting {
    deadline: Instant,
}

impl Starting {
    /// A node that starts now.
    pub(crate) fn now() -> Self {
        Self { deadline: Instant::now() + START_PATIENCE }
    }

    /// How long it still waits.
    pub(crate) fn left(self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Takes a step of the start, again and again while it fails with an error that may pass, such as a server that does not answer in time.
    ///
    /// # Errors
    /// The first error that does not pass, or the last one when the time is over.
    pub(crate) async fn take<T, E: Display>(
        self,
        step: &'static str,
        may_pass: impl Fn(&E) -> bool,
        attempt: impl AsyncFn() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut backoff = Backoff::default();
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let wait = backoff.next();
            if !may_pass(&error) || wait >= self.left() {
                return Err(error);
            }
            tracing::info!(step, %error, "waiting for Redis");
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A step that fails this number of times. Returns how often it was taken, and how it ended.
    async fn take(failures: u32, error: &'static str) -> (u32, Result<(), &'static str>) {
        let taken = Cell::new(0);
        let attempt = async || {
            taken.set(taken.get() + 1);
            if taken.get() > failures { Ok(()) } else { Err(error) }
        };
        let result = Starting::now().take("test", |error| *error == "timed out", attempt).await;
        (taken.get(), result)
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_is_taken_again_while_its_error_may_pass_and_for_30_s() {
        assert_eq!(take(5, "timed out").await, (6, Ok(())));
        assert_eq!(take(1, "wrong password").await, (1, Err("wrong password")), "waiting does not help");
        let begun = Instant::now();
        let (taken, result) = take(u32::MAX, "timed out").await;
        assert_eq!(result, Err("timed out"));
        assert!(begun.elapsed() > START_PATIENCE - Duration::from_secs(2) && begun.elapsed() <= START_PATIENCE);
        assert!((30..80).contains(&taken), "{taken}");
    }
}
