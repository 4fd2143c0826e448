//! The way out of a connection: a queue bounded in bytes that nobody waits for.

mod queue;
mod retained;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::queue::Outlet;
use self::queue::{Full, News, Queue, SLICES_PER_WRITE, cost};
pub(crate) use self::retained::{Cut, Hearing};
use crate::signals::{Signal, Signals, TICK};
use crate::{CloseReason, Frame, Frames};

/// Below this share of the limit, `ready` lets streams and completions go on.
const READY_SHARE: usize = 16;

/// Sends frames to one client, from any task, without ever waiting for it.
///
/// Clones send to the same client. Every message of a connection goes this way, so there is one order.
#[derive(Clone)]
pub struct Outbound(Arc<Lane>);

impl Outbound {
    pub(crate) fn new(lane: Arc<Lane>) -> Self {
        Self(lane)
    }

    /// Sends a frame: at once if the transport takes it, else by way of the queue.
    ///
    /// # Errors
    /// When the connection has ended or is ending. A frame that does not fit into the queue ends the connection
    /// as a slow consumer; one larger than the whole limit may pass an empty queue.
    pub fn send(&self, frame: &Frame) -> Result<(), SendError> {
        self.0.send(frame)
    }

    /// Sends several frames like [`send`](Self::send), with one write where that is possible.
    ///
    /// # Errors
    /// As `send`; some of the frames may have been sent.
    pub fn send_all(&self, frames: &Frames) -> Result<(), SendError> {
        self.0.send_all(frames)
    }

    /// Queues what is sent until [`uncork`](Self::uncork), which must come soon: for a moment in which many frames are about
    /// to be sent, or in which the client must not read a frame before something else is done.
    pub fn cork(&self) {
        self.0.lock().corked = true;
    }

    /// Writes what was held back, and what is sent from now on at once.
    pub fn uncork(&self) {
        let mut queue = self.0.lock();
        queue.corked = false;
        let news = queue.write_held_back();
        drop(queue);
        self.0.announce(news);
    }

    /// Waits until the queue is short, for those who can wait: streams and completions. Where frames are
    /// [kept](Self::retain), it waits until not too many are.
    ///
    /// It returns at once when the connection has ended.
    pub async fn ready(&self) {
        loop {
            let room = self.0.room.notified();
            if self.0.has_room_or_waits() {
                return;
            }
            room.await;
        }
    }

    /// Tells whether something waits to be written.
    pub fn has_backlog(&self) -> bool {
        !self.0.lock().frames.is_empty()
    }

    /// Fetches what a send needs into the cache: for one who is about to send by way of several, so that the waits for the
    /// memory of all of them overlap.
    pub fn prefetch(&self) {
        // Taking the lock would wait for the memory; this reads the byte beside it.
        std::hint::black_box(self.0.queue.is_poisoned());
    }

    /// Asks the connection's handler to end it. Nothing more is taken; the handler can still say goodbye.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Tells whether it was [asked](Self::abort) to end, and the handler has not heard of it yet.
    pub fn is_aborting(&self) -> bool {
        self.0.signals.is_raised(Signal::Abort)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbound({} bytes queued)", self.0.lock().bytes)
    }
}

/// A frame was not taken because the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended")]
pub struct SendError;

/// The limits of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) bytes: usize,
    /// How long a transport may take nothing while something is queued.
    pub(crate) stall: Duration,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { bytes: 1 << 20, stall: Duration::from_secs(10) }
    }
}

/// What all parts of one connection share: its queue and its signals.
pub(crate) struct Lane {
    queue: Mutex<Queue>,
    pub(crate) signals: Signals,
    /// Wakes those who wait for room. Only [`LockedQueue`] notifies it.
    room: Notify,
    /// Woken when there is something to take.
    taker: AtomicWaker,
    limits: QueueLimits,
}

impl Lane {
    pub(crate) fn new(limits: QueueLimits, outlet: Outlet) -> Self {
        Self {
            queue: Mutex::new(Queue::new(outlet)),
            signals: Signals::default(),
            room: Notify::new(),
            taker: AtomicWaker::new(),
            limits,
        }
    }

    /// The lock is held for a few instructions or one non-blocking write, never across an await.
    fn lock(&self) -> LockedQueue<'_> {
        LockedQueue { lane: self, queue: self.queue.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// How long the client may take nothing of what is there for it.
    pub(crate) fn send_timeout(&self) -> Duration {
        self.limits.stall
    }

    /// Changes who moves what is queued.
    pub(crate) fn set_outlet(&self, outlet: Outlet) {
        self.lock().outlet = outlet;
    }

    pub(crate) fn send(&self, frame: &Frame) -> Result<(), SendError> {
        let mut queue = self.lock();
        match queue.retain(frame, self.limits.bytes) {
            Ok(()) => self.enqueue(queue, frame),
            Err(Full) => Err(self.overflow(queue)),
        }
    }

    pub(crate) fn send_unretained(&self, frame: &Frame) -> Result<(), SendError> {
        self.enqueue(self.lock(), frame)
    }

    fn enqueue(&self, mut queue: LockedQueue<'_>, frame: &Frame) -> Result<(), SendError> {
        if queue.refuses {
            return Err(SendError);
        }
        if queue.writes_at_once() && queue.passes(frame) {
            return Ok(());
        }
        let Ok(news) = queue.push_within(frame, self.limits.bytes) else { return Err(self.overflow(queue)) };
        drop(queue);
        self.announce(news);
        Ok(())
    }

    pub(crate) fn send_all(&self, frames: &Frames) -> Result<(), SendError> {
        let mut queue = self.lock();
        if queue.refuses {
            return Err(SendError);
        }
        let mut written = 0;
        if queue.writes_at_once() && queue.retained.is_none() {
            written = queue.write_inline(frames.as_bytes());
            if written == frames.as_bytes().len() {
                return Ok(());
            }
        }
        let mut news = News::None;
        for frame in frames.each() {
            if written >= frame.len() {
                written -= frame.len();
                continue;
            }
            let pushed =
                queue.retain(&frame, self.limits.bytes).and_then(|()| queue.push_within(&frame, self.limits.bytes));
            let Ok(pushed) = pushed else { return Err(self.overflow(queue)) };
            news = news.or(pushed);
            if written > 0 {
                queue.written = std::mem::take(&mut written);
            }
        }
        if queue.has_socket() && !queue.corked {
            // What does not go now is for the task, which is woken once.
            news = queue.write_queued();
        }
        drop(queue);
        self.announce(news);
        Ok(())
    }

    fn overflow(&self, queue: LockedQueue<'_>) -> SendError {
        drop(queue);
        self.end(CloseReason::SlowConsumer);
        SendError
    }

    /// Wakes whoever moves what is queued.
    fn announce(&self, news: News) {
        match news {
            News::ForTask => self.signals.raise(Signal::Moved),
            News::ForTaker => {
                // From now on it counts how long nobody takes it.
                self.signals.spare(0);
                self.taker.wake();
            }
            News::None => {}
        }
    }

    /// Tells whether the queue is short; if it is not, the caller is woken once it is.
    fn has_room_or_waits(&self) -> bool {
        let mut queue = self.lock();
        let has_room = queue.has_room(self.limits.bytes / READY_SHARE);
        queue.room_is_awaited |= !has_room;
        has_room
    }

    /// Takes no more. The first reason stands.
    pub(crate) fn end(&self, reason: CloseReason) {
        {
            let mut queue = self.lock();
            queue.refuses = true;
            if queue.ended.is_some() {
                return;
            }
            queue.ended = Some(reason);
        }
        self.signals.raise(Signal::Ended);
        self.taker.wake();
    }

    /// Waits, in the task of the one who takes, until the connection has ended.
    pub(crate) async fn wait_ended(&self) -> CloseReason {
        poll_fn(|cx| {
            self.taker.register(cx.waker());
            self.ended().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    pub(crate) fn ended(&self) -> Option<CloseReason> {
        self.lock().ended
    }

    /// Tells whether the connection has ended or is ending.
    pub(crate) fn is_ending(&self) -> bool {
        self.lock().refuses
    }

    fn abort(&self) {
        let mut queue = self.lock();
        if !queue.refuses {
            queue.refuses = true;
            drop(queue);
            self.signals.raise(Signal::Abort);
        }
    }

    /// The connection is over: a socket is let go, and with it what could not be written. What polls and streams have
    /// not taken yet stays for them.
    pub(crate) fn disconnect(&self) {
        // What was held back is for those who take it.
        self.lock().corked = false;
        self.end(CloseReason::HandlerFailed);
        let mut queue = self.lock();
        queue.retained = None;
        if let Outlet::Socket(_) | Outlet::Task = queue.outlet {
            queue.outlet = Outlet::Task;
            queue.forget();
        }
    }

    /// Tells whether a client comes now and then to take what is queued.
    pub(crate) fn is_polled(&self) -> bool {
        matches!(self.lock().outlet, Outlet::Taker)
    }

    /// Sends a last frame behind all others, also when the end has begun, and takes no more from anybody else.
    pub(crate) fn finish(&self, last: Option<&Frame>, reason: CloseReason) {
        let mut queue = self.lock();
        queue.refuses = true;
        queue.ended.get_or_insert(reason);
        if let Some(frame) = last.filter(|_| !queue.held)
            && !(queue.frames.is_empty() && queue.passes(frame))
        {
            queue.push(frame);
        }
        drop(queue);
        self.taker.wake();
    }

    /// Waits until all that is queued was taken.
    pub(crate) async fn wait_taken(&self) {
        loop {
            let taken = self.room.notified();
            if self.lock().frames.is_empty() {
                return;
            }
            taken.await;
        }
    }

    /// Tells whether nothing could be written for longer than the limit.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        self.lock().stalled_since.is_some_and(|since| now.duration_since(since) >= self.limits.stall)
    }

    /// Spares the task the ticks of such a time, unless it has to watch how long nothing can be written.
    pub(crate) fn spare_ticks(&self, time: Duration) {
        // The tick at the end of the time is not spared.
        let ticks = u16::try_from(time.as_millis().saturating_sub(1) / TICK.as_millis()).unwrap_or(u16::MAX);
        let queue = self.lock();
        self.signals.spare(if queue.stalled_since.is_some() { 0 } else { ticks });
    }

    /// Writes what is queued until the queue is empty or `write` would block.
    ///
    /// `write` takes slices and tells how many bytes of them it wrote.
    pub(crate) fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        loop {
            // The lock is free between two writes, so that nobody who sends waits for all of them.
            let mut queue = self.lock();
            if queue.frames.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let count = queue.fill(&mut slices);
            match write(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => queue.advance(n),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    queue.stalled_since.get_or_insert_with(Instant::now);
                    self.signals.spare(0);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes at most so many frames; `None` after the last one of an ended lane. Only one may wait at a time.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, most: usize) -> Poll<Option<Vec<Frame>>> {
        self.taker.register(cx.waker());
        let mut queue = self.lock();
        if queue.corked {
            return Poll::Pending;
        }
        if queue.frames.is_empty() {
            return if queue.ended.is_some() { Poll::Ready(None) } else { Poll::Pending };
        }
        let frames: Vec<_> = queue.frames.iter().take(most).cloned().collect();
        queue.advance(frames.iter().map(Frame::len).sum());
        Poll::Ready(Some(frames))
    }

    /// The same as a future. Dropping it takes nothing.
    pub(crate) async fn take(&self, most: usize) -> Option<Vec<Frame>> {
        poll_fn(|cx| self.poll_take(cx, most)).await
    }
}

/// The queue of a lane, locked.
///
/// Unlocking it is the one place that wakes those who wait for room in [`Outbound::ready`]. Whatever made the room, a write
/// by a sender or by the task, a transport that was lost, or the end, cannot forget them.
struct LockedQueue<'a> {
    lane: &'a Lane,
    queue: MutexGuard<'a, Queue>,
}

impl Deref for LockedQueue<'_> {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        &self.queue
    }
}

impl DerefMut for LockedQueue<'_> {
    fn deref_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }
}

impl Drop for LockedQueue<'_> {
    fn drop(&mut self) {
        if self.queue.room_is_awaited && self.queue.has_room(self.lane.limits.bytes / READY_SHARE) {
            self.queue.room_is_awaited = false;
            // Waking a task takes no lock of the connection's.
            self.lane.room.notify_waiters();
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
