//! The way out of a connection: a queue bounded in bytes that nobody waits for.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::signals::{Signal, Signals};
use crate::{CloseReason, Frame};

/// How many frames one write takes along at most.
const SLICES_PER_WRITE: usize = 64;

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

    /// Waits until the queue is short, for those who can wait: streams and completions.
    ///
    /// It returns at once when the connection has ended.
    pub async fn ready(&self) {
        loop {
            let room = self.0.room.notified();
            if self.0.has_room() {
                return;
            }
            room.await;
        }
    }

    /// Asks the connection's handler to end it. Nothing more is taken; the handler can still say goodbye.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Tells whether both send to the same connection.
    pub fn same_connection(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
    room: Notify,
    /// Woken when a lane without a socket has something to take.
    taker: Notify,
    limits: QueueLimits,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// How much of the first frame is already written.
    written: usize,
    bytes: usize,
    socket: Option<Arc<TcpStream>>,
    stalled_since: Option<Instant>,
    ended: Option<CloseReason>,
}

impl Lane {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self { queue: Mutex::default(), signals: Signals::default(), room: Notify::new(), taker: Notify::new(), limits }
    }

    /// The lock is held for a few instructions or one non-blocking write, never across an await.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on frames are written to this socket by whoever sends them.
    pub(crate) fn connect(&self, socket: Arc<TcpStream>) {
        self.lock().socket = Some(socket);
    }

    pub(crate) fn send(&self, frame: &Frame) -> Result<(), SendError> {
        let mut queue = self.lock();
        if queue.ended.is_some() {
            return Err(SendError);
        }
        if queue.frames.is_empty() {
            if queue.write_inline(frame) {
                return Ok(());
            }
        } else if queue.bytes + frame.len() > self.limits.bytes {
            drop(queue);
            self.end(CloseReason::SlowConsumer);
            return Err(SendError);
        }
        let first = queue.frames.is_empty();
        queue.bytes += frame.len();
        queue.frames.push_back(frame.clone());
        drop(queue);
        if first {
            self.signals.raise(Signal::Moved);
        }
        self.taker.notify_one();
        Ok(())
    }

    fn has_room(&self) -> bool {
        let queue = self.lock();
        queue.ended.is_some() || queue.bytes <= self.limits.bytes / READY_SHARE
    }

    /// The first reason stands; what is queued is dropped unless the end is an orderly one.
    pub(crate) fn end(&self, reason: CloseReason) {
        {
            let mut queue = self.lock();
            if queue.ended.is_some() {
                return;
            }
            queue.ended = Some(reason);
        }
        self.signals.raise(Signal::Ended);
        self.room.notify_waiters();
        self.taker.notify_one();
    }

    pub(crate) fn ended(&self) -> Option<CloseReason> {
        self.lock().ended
    }

    fn abort(&self) {
        let mut queue = self.lock();
        if queue.ended.is_none() {
            queue.ended = Some(CloseReason::Aborted);
            drop(queue);
            self.signals.raise(Signal::Abort);
        }
    }

    /// Sends a last frame behind all others, also when the end has begun, and takes no more from anybody else.
    pub(crate) fn finish(&self, last: Option<&Frame>, reason: CloseReason) {
        let mut queue = self.lock();
        queue.ended.get_or_insert(reason);
        if let Some(frame) = last
            && !(queue.frames.is_empty() && queue.write_inline(frame))
        {
            queue.bytes += frame.len();
            queue.frames.push_back(frame.clone());
        }
        drop(queue);
        self.room.notify_waiters();
        self.taker.notify_one();
    }

    /// Tells whether nothing could be written for longer than the limit.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        self.lock().stalled_since.is_some_and(|since| now.duration_since(since) >= self.limits.stall)
    }

    /// Writes what is queued until the queue is empty or `write` would block.
    ///
    /// `write` takes slices and tells how many bytes of them it wrote.
    pub(crate) fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let mut queue = self.lock();
        while !queue.frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let count = queue.fill(&mut slices);
            match write(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => queue.advance(n),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    queue.stalled_since.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
            if queue.bytes <= self.limits.bytes / READY_SHARE {
                self.room.notify_waiters();
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the next frame of a lane without a socket; `None` after the last one of an ended lane.
    pub(crate) async fn take(&self) -> Option<Frame> {
        loop {
            let more = self.taker.notified();
            {
                let mut queue = self.lock();
                if let Some(frame) = queue.frames.front().cloned() {
                    queue.advance(frame.len());
                    self.room.notify_waiters();
                    return Some(frame);
                }
                if queue.ended.is_some() {
                    return None;
                }
            }
            more.await;
        }
    }
}

impl Queue {
    /// Writes a frame past the empty queue; `false` when some or all of it is left, which then counts as queued by
    /// the caller.
    fn write_inline(&mut self, frame: &Frame) -> bool {
        let Some(socket) = &self.socket else { return false };
        match socket.try_write(frame.as_bytes()) {
            Ok(n) if n == frame.len() => true,
            Ok(n) => {
                self.written = n;
                false
            }
            // A broken socket is noticed by the reading side; until then its frames wait in the queue.
            Err(_) => false,
        }
    }

    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(&frame.as_bytes()[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut n: usize) {
        self.stalled_since = None;
        while let Some(frame) = self.frames.front() {
            let left = frame.len() - self.written;
            if n < left {
                self.written += n;
                return;
            }
            n -= left;
            self.bytes -= frame.len();
            self.written = 0;
            self.frames.pop_front();
        }
        // An idle connection keeps no queue.
        self.frames = VecDeque::new();
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
