//! `Outbound`: the handle with which any task sends to a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::flushes::Flushed;
use super::purpose::{Purpose, Sent};
use super::retained::Retained;
use super::send_queue::{ConnectionEnded, SendQueue};
use super::signals::Signal;
use crate::close::dismissal::Dismissal;
use crate::counts::traffic::ConnectionTraffic;
use crate::frame::{Frame, Frames};

/// Sends frames to one client, from any task, without ever waiting for it.
///
/// Clones send to the same client. All messages of a connection pass through one queue, so they arrive in the order in
/// which they were sent.
#[derive(Clone)]
pub struct Outbound(Arc<SendQueue>);

impl Outbound {
    pub(crate) fn new(send_queue: Arc<SendQueue>) -> Self {
        Self(send_queue)
    }

    /// Sends a frame: it is written at once if that is possible without blocking, and queued otherwise.
    ///
    /// # Errors
    /// The connection has ended or is ending. A frame that exceeds the [limit](crate::Endpoint::queue_limit) of the queue
    /// ends the connection with [`CloseReason::SlowConsumer`](crate::CloseReason::SlowConsumer). An empty queue accepts a
    /// frame of any size.
    pub fn send(&self, frame: &Frame) -> Result<(), ConnectionEnded> {
        self.0.send(frame, Purpose::Message).map(drop)
    }

    /// Asks the handler of the connection to end it, as an operator does, and waits for nothing.
    pub fn dismiss(&self, dismissal: Dismissal) {
        self.0.dismiss(dismissal);
    }

    /// Sends several frames, with one write where that is possible.
    ///
    /// # Errors
    /// As `send`; some of the frames may have been sent.
    pub fn send_all(&self, frames: &Frames) -> Result<(), ConnectionEnded> {
        self.0.send_all(frames, Purpose::Message, 0).map(drop)
    }

    /// Sends several frames, with few writes where that is possible. Unlike [`send_all`](Self::send_all) it needs no joined
    /// buffer, which is cheaper if no other client gets exactly these frames.
    ///
    /// # Errors
    /// As `send`; some of the frames may have been sent.
    pub fn send_each(&self, frames: impl IntoIterator<Item = Frame>) -> Result<(), ConnectionEnded> {
        self.0.send_each(frames.into_iter().map(|frame| (frame, Purpose::Message))).map(drop)
    }

    /// Sends the frame of an event like [`send`](Self::send), and counts it as a delivery. `accepted` is when the publish of
    /// the event was accepted. An empty frame sends nothing, and counts as written.
    ///
    /// # Errors
    /// As `send`.
    pub fn deliver(&self, frame: &Frame, accepted: Instant) -> Result<Sent, ConnectionEnded> {
        if frame.as_bytes().is_empty() {
            self.deliver_nothing(1);
            return Ok(Sent::Written);
        }
        self.0.send(frame, Purpose::Delivery { accepted })
    }

    /// Sends the frames of several events like [`send_all`](Self::send_all), and counts them as deliveries. Each piece comes
    /// with the number of its frames. `deliveries` is how many there are in all: those without a frame count as written.
    /// `accepted` is when the publish of the first event was accepted.
    ///
    /// # Errors
    /// As `send`.
    pub fn deliver_joined(
        &self,
        pieces: impl IntoIterator<Item = (Frames, usize)>,
        deliveries: usize,
        accepted: Instant,
    ) -> Result<Sent, ConnectionEnded> {
        let (mut all, mut empty) = (Ok(Sent::Written), deliveries);
        // Once the connection has ended, the rest is counted as not sent.
        for (frames, count) in pieces {
            let sent = self.0.send_all(&frames, Purpose::Delivery { accepted }, count as u64);
            all = if let Ok(Sent::Written) = all { sent } else { all.and(sent) };
            empty = empty.saturating_sub(count);
        }
        if empty > 0 {
            self.deliver_nothing(empty);
        }
        all
    }

    /// Sends the frames of several events like [`send_each`](Self::send_each), and counts them as deliveries. With each comes
    /// when the publish of its event was accepted. Empty frames send nothing, and count as written.
    ///
    /// # Errors
    /// As `send`.
    pub fn deliver_each(&self, frames: impl IntoIterator<Item = (Frame, Instant)>) -> Result<Sent, ConnectionEnded> {
        let mut empty = 0;
        let frames = frames.into_iter().filter(|(frame, _)| {
            empty += usize::from(frame.as_bytes().is_empty());
            !frame.as_bytes().is_empty()
        });
        let sent = self.0.send_each(frames.map(|(frame, accepted)| (frame, Purpose::Delivery { accepted })));
        if empty > 0 {
            self.deliver_nothing(empty);
        }
        sent
    }

    /// Counts deliveries of which the client gets nothing as written.
    fn deliver_nothing(&self, deliveries: usize) {
        self.0.count_empty(deliveries as u64);
    }

    /// What the connection has received and sent so far, and what waits for its client.
    pub fn traffic(&self) -> ConnectionTraffic {
        self.0.traffic()
    }

    /// Queues all frames and writes none until [`uncork`](Self::uncork) is called, which must be soon. It joins many
    /// frames into few writes, or delays a frame until the server has done something that must come first.
    pub fn cork(&self) {
        self.0.cork();
    }

    /// Writes the frames that were queued since [`cork`](Self::cork). Frames are written at once again.
    pub fn uncork(&self) {
        self.0.uncork();
    }

    /// Waits until the queue is short, for senders that can wait, such as streams. If frames are
    /// [retained](Self::retain), it also waits until the client has acknowledged enough of them.
    ///
    /// It returns at once when the connection has ended.
    pub async fn ready(&self) {
        self.0.ready().await;
    }

    /// Waits until everything that is queued at the moment of the call is written: the socket has taken it, with TLS after it
    /// was encrypted. On event streams and long polling, it counts as written when a request of the client has taken it. Most
    /// calls find an empty queue and complete at once.
    ///
    /// While a client is away whose connection may be resumed, nothing is written: it waits until the retained frames were
    /// written to the new transport, or until the connection ends. Written bytes may still be lost with a transport.
    ///
    /// The future does not keep the connection open, and dropping it only ends the wait. Only waits that something was
    /// written for are woken.
    pub fn flushed(&self) -> impl Future<Output = Flushed> + Send + use<> {
        self.0.flushed()
    }

    /// Waits while other clients of the same server are far behind but still read, as
    /// [`Readers::wait`](crate::Readers::wait) does. Code that sends to many clients calls it before each message, so
    /// that a burst does not end slow connections.
    pub async fn wait_for_readers(&self, most: Duration) -> Duration {
        self.0.backlog().wait(most).await
    }

    /// Tells whether frames are queued.
    pub fn has_backlog(&self) -> bool {
        !self.0.lock().frames.is_empty()
    }

    /// Loads the memory that a send needs into the processor's cache. A caller that sends to many clients calls it for
    /// the next few, so that their loads overlap.
    pub fn prefetch(&self) {
        self.0.prefetch();
    }

    /// Asks the connection's handler to end it. Further frames are refused; the handler can still send a last message.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Tells whether [`abort`](Self::abort) was called and the handler has not received
    /// [`Received::Aborted`](crate::Received::Aborted) yet.
    pub fn is_aborting(&self) -> bool {
        self.0.signals.is_raised(Signal::Abort)
    }

    /// Retains every frame that is sent from now on until it is [released](Self::release), so that it can be sent again
    /// over another transport.
    ///
    /// While more than `size` bytes are retained, [`ready`](Self::ready) waits. Frames of senders that do not wait are
    /// retained up to the limit of the queue; beyond that, the connection ends with
    /// [`CloseReason::SlowConsumer`](crate::CloseReason::SlowConsumer).
    pub fn retain(&self, size: usize) {
        self.0.lock().retained.get_or_insert_with(|| Box::new(Retained::new(size)));
    }

    /// Drops the retained frames up to and including the one with this number. The first frame has the number 1.
    ///
    /// A number below the first retained frame drops nothing, and one above the last drops all.
    pub fn release(&self, through: u64) {
        let mut queue = self.0.lock();
        if let Some(retained) = &mut queue.retained {
            retained.release(through);
        }
    }

    /// The number of the first retained frame, or of the next one to be sent if none is retained.
    pub fn first_retained(&self) -> u64 {
        self.0.lock().retained.as_ref().map_or(1, |retained| retained.first_number())
    }

    /// Starts sending over the new transport: first `opening`, then all retained frames, then what is sent from now on.
    ///
    /// Between the loss of a transport and this call nothing is written; frames sent meanwhile are retained.
    pub fn resume(&self, opening: Option<&Frame>) {
        let mut queue = self.0.lock();
        queue.suspended = false;
        let change = queue.resend(opening);
        queue.restart_flushes();
        drop(queue);
        self.0.notify(change);
    }

    /// Sends a frame that is neither retained nor numbered. While there is no transport, it is dropped.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_unretained(&self, frame: &Frame) -> Result<(), ConnectionEnded> {
        self.0.send_unretained(frame)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbound({} bytes queued)", self.0.lock().bytes)
    }
}
