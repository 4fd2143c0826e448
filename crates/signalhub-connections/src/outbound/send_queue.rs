//! The send queue: the shared state through which other tasks send to a connection and wake its task.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::flushes::Flushed;
use super::limits::{QueueFull, QueueLimits};
use super::locked_queue::{LockedQueue, SharedQueue};
use super::purpose::{Purpose, Sent};
use super::queue::{QueueState, SLICES_PER_WRITE};
use super::signals::{Signal, Signals, TICK};
use super::writer::{QueueChange, Writer};
use crate::auth::identity::Renewal;
use crate::close::CloseReason;
use crate::close::dismissal::Dismissal;
use crate::counts::traffic::{ConnectionTraffic, DeliveryOutcome, Traffic};
use crate::frame::{Frame, Frames, Mark};
use crate::intake::Intake;
use crate::transport_kind::TransportKind;

/// A frame was not sent because the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended")]
pub struct ConnectionEnded;

/// Whether the bytes that were written end with a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastWrite {
    WholeFrame,
    PartialFrame,
}

/// The queue, the signals and the newest credentials of one connection. Its `Outbound`s, its requests and its own task share
/// them.
pub(crate) struct SendQueue {
    queue: SharedQueue,
    pub(crate) signals: Signals,
    /// The task of the poll or event stream, which takes frames. It is woken when some are queued.
    response: AtomicWaker,
    backlog: Arc<Backlog>,
    traffic: Arc<Traffic>,
    /// How many bytes the client has sent.
    received: AtomicU64,
    /// When it last sent any, by the clock of the traffic.
    last_received: AtomicU32,
    /// What others have left for the connection. The box is a few bytes for connections that have none.
    notices: Mutex<Option<Box<Notices>>>,
}

/// What requests and operators have left for a connection, which takes it when its signal is raised.
#[derive(Default)]
struct Notices {
    /// New credentials that the connection has not taken yet.
    renewal: Option<Renewal>,
    /// How an operator ends the connection.
    dismissal: Option<Dismissal>,
}

impl SendQueue {
    pub(crate) fn new(limits: QueueLimits, backlog: Arc<Backlog>, traffic: Arc<Traffic>, writer: Writer) -> Self {
        Self {
            queue: SharedQueue::new(limits, Arc::clone(&backlog), Arc::clone(&traffic), writer),
            signals: Signals::default(),
            response: AtomicWaker::new(),
            backlog,
            received: AtomicU64::new(0),
            last_received: AtomicU32::new(traffic.clock()),
            traffic,
            notices: Mutex::default(),
        }
    }

    pub(super) fn lock(&self) -> LockedQueue<'_> {
        self.queue.lock()
    }

    /// Gives the connection new credentials, whichever way they came. They replace those that it has not taken yet.
    pub(crate) fn renew(&self, renewal: Renewal) {
        self.notices().get_or_insert_default().renewal = Some(renewal);
        self.signals.raise(Signal::Renewed);
    }

    pub(crate) fn take_renewal(&self) -> Option<Renewal> {
        self.notices().as_mut()?.renewal.take()
    }

    /// Asks the connection to end. If another dismissal came first, that one stays.
    pub(crate) fn dismiss(&self, dismissal: Dismissal) {
        self.notices().get_or_insert_default().dismissal.get_or_insert(dismissal);
        self.abort();
    }

    pub(crate) fn dismissal(&self) -> Option<Dismissal> {
        self.notices().as_ref()?.dismissal.clone()
    }

    fn notices(&self) -> MutexGuard<'_, Option<Box<Notices>>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long frames may be queued while the client takes none of them.
    pub(crate) fn send_timeout(&self) -> Duration {
        self.queue.limits.stall
    }

    /// Sets which part of the program writes the queued frames.
    pub(crate) fn set_writer(&self, writer: Writer) {
        self.lock().writer = writer;
    }

    pub(super) fn cork(&self) {
        self.lock().corked = true;
    }

    pub(super) fn uncork(&self) {
        let mut queue = self.lock();
        queue.corked = false;
        let change = queue.write_corked();
        drop(queue);
        self.notify(change);
    }

    pub(super) async fn ready(&self) {
        loop {
            let room = self.queue.room.notified();
            if self.has_room_or_waits() {
                return;
            }
            room.await;
        }
    }

    /// See [`Outbound::flushed`](crate::Outbound::flushed).
    pub(super) fn flushed(&self) -> impl Future<Output = Flushed> + Send + use<> {
        let mut queue = self.lock();
        // Before the stream is asked what it keeps, so that no flush remains unreported.
        self.signals.set_flush_is_awaited(true);
        if queue.state.ended().is_some() {
            return Either::Left(ready(Flushed::Ended));
        }
        if queue.is_flushed() {
            return Either::Left(ready(Flushed::Written));
        }
        let queued = queue.frames.len();
        let written = queue.flushes.get_or_insert_default().add(queued);
        queue.is_awaited = true;
        let change = if let Writer::Task = queue.writer { QueueChange::ForTask } else { QueueChange::None };
        drop(queue);
        // The task reports what it flushes, even if it has nothing else to do.
        self.notify(change);
        Either::Right(written.map(|flushed| flushed.unwrap_or(Flushed::Ended)))
    }

    /// Completes the waits for bytes that the connection's task has flushed: it has written every frame that was queued, and
    /// its stream keeps none of their bytes.
    pub(crate) fn on_flushed(&self) {
        if !self.signals.is_flush_awaited() {
            return;
        }
        let mut queue = self.lock();
        match queue.writer {
            Writer::Task => queue.complete_flushes(),
            // A sender may have written to it since.
            Writer::Socket(_) | Writer::Stream | Writer::Poll => queue.settle_flushes(),
        }
        self.signals.set_flush_is_awaited(queue.flushes.is_some());
    }

    pub(crate) fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    pub(super) fn prefetch(&self) {
        self.queue.prefetch();
    }

    /// Counts bytes that the client has sent.
    pub(crate) fn count_received(&self, kind: TransportKind, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_received.store(self.traffic.clock(), Ordering::Relaxed);
        self.traffic.count_received(kind, bytes as u64);
    }

    /// Counts bytes that came with POSTs, for the transport that the connection has.
    pub(crate) fn count_posted(&self, bytes: usize) {
        if bytes > 0 {
            let kind = self.lock().writer.transport();
            self.count_received(kind, bytes);
        }
    }

    /// What all connections of its server send.
    #[cfg(test)]
    pub(super) fn traffic_of_all(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// What was received and sent so far.
    pub(crate) fn traffic(&self) -> ConnectionTraffic {
        let queue = self.lock();
        ConnectionTraffic {
            received: self.received.load(Ordering::Relaxed),
            sent: queue.sent,
            deliveries: queue.deliveries,
            queued_bytes: queue.bytes,
            queue_limit: self.queue.limits.bytes,
            queued_for: queue.frames.front().map(|first| self.traffic.since(first.note().since)),
            idle: self.traffic.since(self.last_received.load(Ordering::Relaxed)),
        }
    }

    /// Counts deliveries of which nothing is sent as written.
    pub(super) fn count_empty(&self, deliveries: u64) {
        self.traffic.count_deliveries(DeliveryOutcome::Written, deliveries);
    }

    pub(crate) fn send(&self, frame: &Frame, purpose: Purpose) -> Result<Sent, ConnectionEnded> {
        let mut queue = self.lock();
        match queue.retain(frame, purpose, &self.queue.limits) {
            Ok(()) => self.enqueue(queue, frame, purpose),
            Err(QueueFull) => Err(self.overflow(queue, purpose.deliveries())),
        }
    }

    pub(crate) fn send_unretained(&self, frame: &Frame) -> Result<(), ConnectionEnded> {
        self.enqueue(self.lock(), frame, Purpose::Message).map(drop)
    }

    fn enqueue(&self, mut queue: LockedQueue<'_>, frame: &Frame, purpose: Purpose) -> Result<Sent, ConnectionEnded> {
        if !queue.is_open() {
            return Err(refuse(&queue, purpose.deliveries()));
        }
        if queue.writes_at_once()
            && let Some(change) = queue.passes(frame, purpose)
        {
            drop(queue);
            self.notify(change);
            return Ok(Sent::Written);
        }
        let Ok(change) = queue.push_within(frame, purpose, &self.queue.limits) else {
            return Err(self.overflow(queue, purpose.deliveries()));
        };
        drop(queue);
        self.notify(change);
        Ok(Sent::Queued)
    }

    /// Sends frames that have one purpose. `deliveries` is how many there are if they are deliveries.
    pub(crate) fn send_all(&self, frames: &Frames, purpose: Purpose, deliveries: u64) -> Result<Sent, ConnectionEnded> {
        let mut queue = self.lock();
        if !queue.is_open() {
            return Err(refuse(&queue, deliveries));
        }
        let mut written = 0;
        if queue.writes_at_once() && queue.retained.is_none() {
            let change;
            (written, change) = queue.write_inline(frames.as_bytes());
            let is_complete = written == frames.as_bytes().len();
            queue.count_written(written, if is_complete { deliveries } else { 0 });
            if is_complete {
                drop(queue);
                self.notify(change);
                return Ok(Sent::Written);
            }
        }
        self.enqueue_each(queue, frames.each().map(|frame| (frame, purpose)), written)
    }

    pub(crate) fn send_each(&self, frames: impl Iterator<Item = (Frame, Purpose)>) -> Result<Sent, ConnectionEnded> {
        let queue = self.lock();
        if !queue.is_open() {
            return Err(refuse(&queue, deliveries(frames)));
        }
        self.enqueue_each(queue, frames, 0)
    }

    /// Queues frames, of which the first `written` bytes are already written, and writes as much as possible without
    /// blocking.
    fn enqueue_each(
        &self,
        mut queue: LockedQueue<'_>,
        mut frames: impl Iterator<Item = (Frame, Purpose)>,
        mut written: usize,
    ) -> Result<Sent, ConnectionEnded> {
        let mut change = QueueChange::None;
        while let Some((frame, purpose)) = frames.next() {
            if written >= frame.len() {
                written -= frame.len();
                queue.count_passed(purpose);
                continue;
            }
            let pushed = queue
                .retain(&frame, purpose, &self.queue.limits)
                .and_then(|()| queue.push_within(&frame, purpose, &self.queue.limits));
            let Ok(pushed) = pushed else {
                return Err(self.overflow(queue, purpose.deliveries() + deliveries(frames)));
            };
            change = change.or(pushed);
            if written > 0 {
                queue.written = std::mem::take(&mut written);
            }
        }
        if queue.has_socket() && !queue.corked {
            // The task writes the rest, and is woken once.
            change = queue.write_queued();
        }
        let sent = if queue.frames.is_empty() { Sent::Written } else { Sent::Queued };
        drop(queue);
        self.notify(change);
        Ok(sent)
    }

    /// Ends the connection, because its client does not read fast enough. These deliveries are not sent.
    fn overflow(&self, queue: LockedQueue<'_>, deliveries: u64) -> ConnectionEnded {
        drop(queue);
        self.end(CloseReason::SlowConsumer);
        refuse(&self.lock(), deliveries)
    }

    /// Wakes the task that writes the queued frames.
    pub(super) fn notify(&self, change: QueueChange) {
        match change {
            QueueChange::ForTask => self.signals.raise(Signal::Moved),
            QueueChange::ForResponse => {
                // A stall is measured from now on, which needs ticks.
                self.signals.skip_ticks(0);
                self.response.wake();
            }
            QueueChange::None => {}
        }
    }

    /// Tells whether the queue is short. If it is not, `room` is notified once it is.
    fn has_room_or_waits(&self) -> bool {
        let mut queue = self.lock();
        let has_room = queue.has_room(self.queue.limits.ready());
        queue.is_awaited |= !has_room;
        has_room
    }

    /// Refuses further frames. If the connection has ended before, the first reason stays.
    pub(crate) fn end(&self, reason: CloseReason) {
        if !self.lock().end(reason) {
            return;
        }
        self.signals.raise(Signal::Ended);
        self.response.wake();
    }

    /// Waits, in the task that takes frames, until the connection has ended.
    pub(crate) async fn wait_ended(&self) -> CloseReason {
        poll_fn(|cx| {
            self.response.register(cx.waker());
            self.ended().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    pub(crate) fn ended(&self) -> Option<CloseReason> {
        self.lock().state.ended()
    }

    /// Tells whether the connection has ended or is ending.
    pub(crate) fn is_ending(&self) -> bool {
        !self.lock().is_open()
    }

    pub(crate) fn abort(&self) {
        let mut queue = self.lock();
        if queue.is_open() {
            queue.state = QueueState::Aborting;
            drop(queue);
            self.signals.raise(Signal::Abort);
        }
    }

    /// Ends the connection when its handler is done: drops the socket and the frames that were not written to it. Frames
    /// that polls and event streams have not taken yet stay for them.
    pub(crate) fn disconnect(&self) {
        // Polls and event streams do not take frames from a corked queue.
        self.lock().corked = false;
        self.end(CloseReason::HandlerFailed);
        let mut queue = self.lock();
        queue.retained = None;
        if let Writer::Socket(_) | Writer::Task = queue.writer {
            queue.writer = Writer::Task;
            queue.forget();
            queue.give_up_pending();
        }
    }

    /// Drops the transport and the queued frames; retained frames stay. Nothing is written before the queue is resumed.
    pub(crate) fn suspend(&self) -> LastWrite {
        let mut queue = self.lock();
        let last_write = if queue.written == 0 { LastWrite::WholeFrame } else { LastWrite::PartialFrame };
        queue.suspended = true;
        queue.stalled_since = None;
        queue.forget();
        if let Writer::Socket(_) = queue.writer {
            queue.writer = Writer::Task;
        }
        last_write
    }

    /// Sets whether the handler reads from the client.
    pub(crate) fn set_intake(&self, intake: Intake) {
        let mut queue = self.lock();
        let Some(retained) = &mut queue.retained else { return };
        retained.set_intake(intake);
    }

    /// Tells whether polls, or the client of a pair, take the queued frames.
    pub(crate) fn is_polled(&self) -> bool {
        matches!(self.lock().writer, Writer::Poll)
    }

    /// Sends a last frame behind all others, even if the queue is ending, and refuses further frames.
    pub(crate) fn finish(&self, last: Option<&Frame>, reason: CloseReason) {
        let mut queue = self.lock();
        queue.end(reason);
        if let Some(frame) = last.filter(|_| !queue.suspended)
            // The task that ends the connection also flushes what TLS keeps.
            && !(queue.frames.is_empty() && queue.passes(frame, Purpose::Message).is_some())
        {
            queue.push(frame, Mark::Message);
        }
        drop(queue);
        self.response.wake();
    }

    /// Waits until the queue is empty.
    pub(crate) async fn wait_taken(&self) {
        loop {
            let taken = self.queue.room.notified();
            if self.lock().frames.is_empty() {
                return;
            }
            taken.await;
        }
    }

    /// Tells whether frames are queued and none of their bytes could be written for the send timeout.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        self.lock().stalled_since.is_some_and(|since| now.duration_since(since) >= self.queue.limits.stall)
    }

    /// Skips the ticks of this time, unless the task has to measure a stall.
    pub(crate) fn skip_ticks_for(&self, time: Duration) {
        // The tick at the end of the time is not skipped.
        let ticks = u16::try_from(time.as_millis().saturating_sub(1) / TICK.as_millis()).unwrap_or(u16::MAX);
        let queue = self.lock();
        // What is queued is added up by the tick.
        self.signals.skip_ticks(if queue.frames.is_empty() { ticks } else { 0 });
    }

    /// Writes queued frames until the queue is empty or `write` would block.
    ///
    /// `write` takes slices and returns how many bytes of them it wrote.
    pub(crate) fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        loop {
            // The lock is released between two writes, so that a sender waits for one of them at most.
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
                    self.signals.skip_ticks(0);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes frames from the front: at most `most` of them, and no further one once they have `bytes` in all. Returns
    /// `None` when the connection has ended and all frames were taken. Only one task may wait.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, most: usize, bytes: usize) -> Poll<Option<Vec<Frame>>> {
        self.response.register(cx.waker());
        let mut queue = self.lock();
        if queue.corked {
            return Poll::Pending;
        }
        if queue.frames.is_empty() {
            return if queue.state.ended().is_some() { Poll::Ready(None) } else { Poll::Pending };
        }
        Poll::Ready(Some(queue.take(most, bytes)))
    }

    /// [`poll_take`](Self::poll_take) as a future. Dropping it takes nothing.
    pub(crate) async fn take(&self, most: usize, bytes: usize) -> Option<Vec<Frame>> {
        poll_fn(|cx| self.poll_take(cx, most, bytes)).await
    }
}

/// Counts deliveries that a queue does not accept.
fn refuse(queue: &LockedQueue<'_>, deliveries: u64) -> ConnectionEnded {
    queue.count_refused(deliveries);
    ConnectionEnded
}

/// How many of these frames are deliveries.
fn deliveries(frames: impl Iterator<Item = (Frame, Purpose)>) -> u64 {
    frames.map(|(_, purpose)| purpose.deliveries()).sum()
}

impl fmt::Debug for SendQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendQueue").field("limits", &self.queue.limits).finish_non_exhaustive()
    }
}
