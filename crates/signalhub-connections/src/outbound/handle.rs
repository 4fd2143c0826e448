//! The handle by which any task sends to a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::retained::Retained;
use super::send_queue::{ConnectionEnded, SendQueue};
use super::signals::Signal;
use super::writer::QueueChange;
use crate::frame::{Frame, Frames};

/// Sends frames to one client, from any task, without ever waiting for it.
///
/// Clones send to the same client. Every message of a connection goes this way, so there is one order.
#[derive(Clone)]
pub struct Outbound(Arc<SendQueue>);

impl Outbound {
    pub(crate) fn new(send_queue: Arc<SendQueue>) -> Self {
        Self(send_queue)
    }

    /// Sends a frame: at once if the transport takes it, otherwise through the queue.
    ///
    /// # Errors
    /// When the connection has ended or is ending. A frame that does not fit into the queue ends the connection
    /// as a slow consumer; one larger than the whole limit may pass an empty queue.
    pub fn send(&self, frame: &Frame) -> Result<(), ConnectionEnded> {
        self.0.send(frame)
    }

    /// Sends several frames like [`send`](Self::send), with one write where that is possible.
    ///
    /// # Errors
    /// As `send`; some of the frames may have been sent.
    pub fn send_all(&self, frames: &Frames) -> Result<(), ConnectionEnded> {
        self.0.send_all(frames)
    }

    /// Sends frames one behind the other like [`send`](Self::send), with few writes where that is possible. Unlike
    /// [`send_all`](Self::send_all) it needs no joint buffer, which pays when no other client gets just these.
    ///
    /// # Errors
    /// As `send`; some of the frames may have been sent.
    pub fn send_each(&self, frames: impl IntoIterator<Item = Frame>) -> Result<(), ConnectionEnded> {
        self.0.send_each(frames.into_iter())
    }

    /// Queues what is sent until [`uncork`](Self::uncork), which must come soon: for a moment in which many frames are about
    /// to be sent, or in which the client must not read a frame before something else is done.
    pub fn cork(&self) {
        self.0.cork();
    }

    /// Writes what was held back, and what is sent from now on at once.
    pub fn uncork(&self) {
        self.0.uncork();
    }

    /// Waits until the queue is short, for those who can wait: streams and completions. Where frames are
    /// [kept](Self::retain), it waits until not too many are.
    ///
    /// It returns at once when the connection has ended.
    pub async fn ready(&self) {
        self.0.ready().await;
    }

    /// Waits while clients of this one's server that read are far behind, as [`Readers::wait`](crate::Readers::wait) does: for those who send to
    /// others and can wait a moment, so that they do not overtake clients with a burst.
    pub async fn wait_for_readers(&self, most: Duration) -> Duration {
        self.0.backlog().wait(most).await
    }

    /// Tells whether something waits to be written.
    pub fn has_backlog(&self) -> bool {
        !self.0.lock().frames.is_empty()
    }

    /// Fetches what a send needs into the cache. A caller that is about to send to many clients calls it for the next ones, so
    /// that the waits for memory overlap.
    pub fn prefetch(&self) {
        self.0.prefetch();
    }

    /// Asks the connection's handler to end it. Further frames are refused; the handler can still send a last message.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Tells whether it was [asked](Self::abort) to end, and the handler has not received it yet.
    pub fn is_aborting(&self) -> bool {
        self.0.signals.is_raised(Signal::Abort)
    }

    /// Keeps every frame that is sent from now on until it is [released](Self::release), so that it can be sent again
    /// over another transport.
    ///
    /// With more than `size` bytes kept, [`ready`](Self::ready) waits for the client. What does not wait is kept up to the
    /// limit of the queue; beyond that the connection ends as a slow consumer.
    pub fn retain(&self, size: usize) {
        self.0.lock().retained.get_or_insert_with(|| Box::new(Retained::new(size)));
    }

    /// Forgets the kept frames up to the one with this number, the first one being 1.
    ///
    /// A number that is too low or too high is no error: what is kept up to there is forgotten.
    pub fn release(&self, through: u64) {
        let mut queue = self.0.lock();
        if let Some(retained) = &mut queue.retained {
            retained.release(through);
        }
    }

    /// The number of the first kept frame, or of the next one to be sent if none is kept.
    pub fn first_retained(&self) -> u64 {
        self.0.lock().retained.as_ref().map_or(1, |retained| retained.first_number())
    }

    /// Goes on over the new transport: first `opening`, then everything that is kept, then what is sent from now on.
    ///
    /// Between the loss of a transport and this, nothing is written; what is sent meanwhile is kept.
    pub fn resume(&self, opening: Option<&Frame>) {
        let mut queue = self.0.lock();
        queue.held = false;
        let frames: Vec<Frame> = opening.into_iter().chain(queue.unconfirmed()).cloned().collect();
        let mut change = QueueChange::None;
        for frame in &frames {
            change = change.or(queue.push(frame));
        }
        drop(queue);
        self.0.notify(change);
    }

    /// Sends a frame that is not kept and not numbered. While there is no transport it is dropped.
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
