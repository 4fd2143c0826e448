//! The body of a request, and the limit on how long it may take to arrive.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::limits::times::Overdue;
use crate::registry::Registry;

/// The body of a request. Reading it fails when the server has waited for the client for longer than
/// [`Limits::body_timeout`](crate::Limits::body_timeout) in total. Time in which nothing reads the body does not count.
pub struct RequestBody<B = Incoming> {
    body: B,
    time_left: Duration,
    waiting: Option<Waiting>,
    registry: Arc<Registry>,
}

/// The current wait for bytes of the client.
struct Waiting {
    since: Instant,
    sleep: Pin<Box<Sleep>>,
}

/// Why reading the body of a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError<E = hyper::Error> {
    /// It did not arrive in time.
    #[error("the body did not arrive in time (limits.body_timeout)")]
    Overdue,
    /// It ended early or is malformed.
    #[error(transparent)]
    Broken(E),
}

impl<B> RequestBody<B> {
    pub(crate) fn new(body: B, time: Duration, registry: &Arc<Registry>) -> Self {
        Self { body, time_left: time, waiting: None, registry: Arc::clone(registry) }
    }

    /// Waits for a future before the body is read. The wait counts as time of the body, except while `is_held_up` returns
    /// `true`, because then the server causes it.
    pub(crate) async fn wait_for<T>(
        &mut self,
        what: impl Future<Output = T>,
        is_held_up: impl Fn() -> bool,
    ) -> Result<T, Overdue> {
        let mut what = std::pin::pin!(what);
        loop {
            let since = Instant::now();
            match tokio::time::timeout(self.time_left, &mut what).await {
                Ok(done) => {
                    if !is_held_up() {
                        self.time_left = self.time_left.saturating_sub(since.elapsed());
                    }
                    return Ok(done);
                }
                Err(_) if is_held_up() => {}
                Err(_) => return Err(self.overdue()),
            }
        }
    }

    /// Counts and logs that the body took too long.
    fn overdue(&self) -> Overdue {
        self.registry.refusals().count_overdue(Overdue::Body);
        tracing::debug!(reason = Overdue::Body.label(), "a client took too long");
        Overdue::Body
    }
}

impl<B> HttpBody for RequestBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            if let Some(waiting) = self.waiting.take() {
                self.time_left = self.time_left.saturating_sub(waiting.since.elapsed());
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        let time_left = self.time_left;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Waiting { since: Instant::now(), sleep: Box::pin(tokio::time::sleep(time_left)) });
        if waiting.sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.overdue();
        Poll::Ready(Some(Err(BodyError::Overdue)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("time_left", &self.time_left).finish_non_exhaustive()
    }
}
