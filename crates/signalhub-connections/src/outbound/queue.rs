//! The frames that wait to be written to one client.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::backlog::{Backlog, Reservation};
use super::flushes::Flushes;
use super::limits::{QueueFull, QueueLimits, cost};
use super::purpose::Purpose;
use super::retained::Retained;
use super::writer::{QueueChange, Writer};
use crate::close::CloseReason;
use crate::counts::traffic::{DeliveryOutcome, Traffic};
use crate::frame::{Frame, Mark, QueueNote};
use crate::shared_socket::Written;

/// The largest number of frames in one write.
pub(super) const SLICES_PER_WRITE: usize = 64;

/// With this many bytes, a write gets no further frame.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// A client counts as one that reads if it has taken bytes within this time.
const PROGRESS: Duration = Duration::from_secs(1);

/// The queue of one client. It allocates nothing while it is empty.
pub(super) struct Queue {
    pub(super) frames: VecDeque<Frame>,
    /// How much of the first frame is already written.
    pub(super) written: usize,
    pub(super) bytes: usize,
    pub(super) writer: Writer,
    /// Frames are queued and not written, until the queue is uncorked. A queue can be corked and suspended at once, when the
    /// transport is lost while the handler writes a batch.
    pub(super) corked: bool,
    /// The transport was lost, and the handler has not called `Outbound::resume` yet: frames are dropped here, and sent
    /// again from `retained`.
    pub(super) suspended: bool,
    /// The frames that may have to be sent again, on a connection that can be resumed.
    pub(super) retained: Option<Box<Retained>>,
    pub(super) stalled_since: Option<Instant>,
    /// The bytes that are reserved in the server's backlog, because the queue holds more than its free share.
    reservation: Reservation,
    /// A task waits in `Outbound::ready` until the queue is short, or there are `flushes`.
    pub(super) is_awaited: bool,
    /// The tasks that wait in `Outbound::flushed`.
    pub(super) flushes: Option<Box<Flushes>>,
    pub(super) state: QueueState,
    /// What all connections of the server send.
    traffic: Arc<Traffic>,
    /// How many bytes were sent.
    pub(super) sent: u64,
    /// How many deliveries were written.
    pub(super) deliveries: u64,
    /// How many deliveries were accepted and are not written yet. They are the latest ones.
    pending: u64,
    /// When the timed deliveries in the queue were published, in order.
    timed: VecDeque<Instant>,
}

/// What was taken out of the queue together.
#[derive(Default)]
struct Taken {
    frames: usize,
    deliveries: u64,
}

/// Whether a queue accepts frames, and why not.
///
/// ```text
/// Open ── abort ──▶ Aborting ── end, finish ──▶ Ended
///   └────────────── end, finish ─────────────────▲
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueState {
    /// It accepts frames.
    Open,
    /// `Outbound::abort` was called: it accepts only the last frame of the handler.
    Aborting,
    /// It accepts nothing. What is queued is still written.
    Ended(CloseReason),
}

impl QueueState {
    pub(super) fn ended(self) -> Option<CloseReason> {
        match self {
            Self::Open | Self::Aborting => None,
            Self::Ended(reason) => Some(reason),
        }
    }
}

impl Queue {
    pub(super) fn new(writer: Writer, backlog: Arc<Backlog>, traffic: Arc<Traffic>) -> Self {
        Self {
            frames: VecDeque::new(),
            written: 0,
            bytes: 0,
            writer,
            corked: false,
            suspended: false,
            retained: None,
            stalled_since: None,
            reservation: Reservation::new(backlog),
            is_awaited: false,
            flushes: None,
            state: QueueState::Open,
            traffic,
            sent: 0,
            deliveries: 0,
            pending: 0,
            timed: VecDeque::new(),
        }
    }

    /// Tells whether it accepts frames.
    pub(super) fn is_open(&self) -> bool {
        self.state == QueueState::Open
    }

    /// Ends it. If it has ended before, the first reason stays, and this returns `false`.
    pub(super) fn end(&mut self, reason: CloseReason) -> bool {
        let ends = self.state.ended().is_none();
        if ends {
            self.state = QueueState::Ended(reason);
        }
        ends
    }

    /// Keeps a copy of a frame on connections that can be resumed, because it may have to be sent again.
    pub(super) fn retain(&mut self, frame: &Frame, purpose: Purpose, limits: &QueueLimits) -> Result<(), QueueFull> {
        let is_open = self.is_open();
        match &mut self.retained {
            Some(retained) if is_open => {
                retained.push(frame, purpose, limits.bytes)?;
                self.reserve(limits)
            }
            _ => Ok(()),
        }
    }

    /// How many bytes it holds beyond its free share. The frames that are queued and those that are retained are mostly
    /// the same, so they count once.
    fn beyond_free(&self, limits: &QueueLimits) -> usize {
        let kept = self.retained.as_ref().map_or(0, |retained| retained.cost());
        self.bytes.max(kept).saturating_sub(limits.free())
    }

    /// Reserves the bytes that it holds beyond its free share.
    fn reserve(&mut self, limits: &QueueLimits) -> Result<(), QueueFull> {
        let beyond = self.beyond_free(limits);
        if beyond <= self.reservation.bytes() {
            return Ok(());
        }
        let stalled = self.stalled_since;
        let progresses = || stalled.is_none_or(|since| since.elapsed() < PROGRESS);
        self.reservation.grow(beyond, limits.half(), limits.stall, progresses)
    }

    /// Tells whether there is work to do when the queue gets shorter: bytes are reserved, or a task waits.
    pub(super) fn is_watched(&self) -> bool {
        self.reservation.bytes() > 0 || self.is_awaited
    }

    /// Gives back the reservation for bytes that it no longer holds.
    pub(super) fn give_back(&mut self, limits: &QueueLimits) {
        if self.reservation.bytes() > 0 {
            self.reservation.shrink(self.beyond_free(limits), limits.half());
        }
    }

    /// Queues a frame within the limits, and returns which task has to be woken. A suspended queue drops the frame.
    pub(super) fn push_within(
        &mut self,
        frame: &Frame,
        purpose: Purpose,
        limits: &QueueLimits,
    ) -> Result<QueueChange, QueueFull> {
        if self.suspended {
            self.pending += purpose.deliveries();
            return Ok(QueueChange::None);
        }
        if !self.frames.is_empty() && self.behind_first() + cost(frame) > limits.bytes {
            return Err(QueueFull);
        }
        let first = self.frames.is_empty();
        let mark = match purpose {
            Purpose::Message => Mark::Message,
            Purpose::Delivery { accepted } => self.mark(accepted),
        };
        let change = self.push(frame, mark);
        // The first frame is accepted even if it is larger than every limit.
        if !first && let Err(full) = self.reserve(limits) {
            self.unmark_last();
            return Err(full);
        }
        // Uncorking writes the frame, or wakes the task that does.
        Ok(if self.corked { QueueChange::None } else { change })
    }

    /// Counts a delivery that is about to be queued, and chooses whether it is timed.
    fn mark(&mut self, accepted: Instant) -> Mark {
        // Queues begin at different numbers, so that deliveries of many short connections are timed as well.
        let number = self.deliveries + self.pending + (std::ptr::from_ref(self).addr() as u64 >> 7);
        self.pending += 1;
        if !number.is_multiple_of(Traffic::TIMED) {
            return Mark::Delivery;
        }
        self.timed.push_back(accepted);
        Mark::TimedDelivery
    }

    /// Makes the frame that was queued last a mere message: it exceeds a limit, and its delivery counts as refused.
    fn unmark_last(&mut self) {
        let Some(last) = self.frames.back_mut() else { return };
        match last.unmark() {
            Mark::Message => return,
            Mark::Delivery => {}
            Mark::TimedDelivery => drop(self.timed.pop_back()),
        }
        self.pending -= 1;
    }

    /// Tells whether `ready` returns: at most this many bytes are queued, and the retained frames are within their limit.
    /// It also returns once the connection ends.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        !self.is_open() || (self.bytes <= bytes && self.retained.as_ref().is_none_or(|retained| retained.has_room()))
    }

    /// Tells whether senders write to a socket directly.
    pub(super) fn has_socket(&self) -> bool {
        matches!(self.writer, Writer::Socket(_))
    }

    /// Tells whether a frame may be written without being queued.
    pub(super) fn writes_at_once(&self) -> bool {
        self.frames.is_empty() && !self.corked && !self.suspended
    }

    /// Queues a frame without checking limits.
    pub(super) fn push(&mut self, frame: &Frame, mark: Mark) -> QueueChange {
        let first = self.frames.is_empty();
        self.bytes += cost(frame);
        self.frames.push_back(frame.noted(QueueNote { mark, since: self.traffic.clock() }));
        match self.writer {
            Writer::Socket(_) | Writer::Task if first => QueueChange::ForTask,
            Writer::Socket(_) | Writer::Task => QueueChange::None,
            Writer::Poll => QueueChange::ForResponse,
            Writer::Stream => {
                self.stalled_since.get_or_insert_with(Instant::now);
                QueueChange::ForResponse
            }
        }
    }

    pub(super) fn forget(&mut self) {
        self.frames = VecDeque::new();
        (self.bytes, self.written) = (0, 0);
        self.timed = VecDeque::new();
    }

    /// Writes a frame without queueing it, and returns which task has to be woken. The queue must be empty. Returns `None` if
    /// the frame was not written completely and must be queued.
    pub(super) fn passes(&mut self, frame: &Frame, purpose: Purpose) -> Option<QueueChange> {
        let (written, change) = self.write_inline(frame.as_bytes());
        let passed = written == frame.len();
        self.count_written(written, if passed { purpose.deliveries() } else { 0 });
        self.written = if passed { 0 } else { written };
        passed.then_some(change)
    }

    /// Writes as many bytes as the socket takes without blocking. Returns their number, and which task has to be woken for
    /// what TLS keeps of them. The queue must be empty. The frames of a broken socket wait in the queue.
    pub(super) fn write_inline(&mut self, bytes: &[u8]) -> (usize, QueueChange) {
        let Writer::Socket(socket) = &self.writer else { return (0, QueueChange::None) };
        let Written { bytes, is_kept } = socket.try_write(bytes);
        (bytes, if is_kept { QueueChange::ForTask } else { QueueChange::None })
    }

    /// Writes the frames that were queued while the queue was corked, or tells which task does.
    pub(super) fn write_corked(&mut self) -> QueueChange {
        match self.writer {
            _ if self.frames.is_empty() => QueueChange::None,
            Writer::Socket(_) => self.write_queued(),
            Writer::Task => QueueChange::ForTask,
            Writer::Poll | Writer::Stream => QueueChange::ForResponse,
        }
    }

    /// Writes queued frames until the socket would block. The task is woken for the rest, unless it already waits for the
    /// socket.
    pub(super) fn write_queued(&mut self) -> QueueChange {
        while !self.frames.is_empty() && self.stalled_since.is_none() {
            let Writer::Socket(socket) = &self.writer else { return QueueChange::None };
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let count = self.fill(&mut slices);
            let Written { bytes, is_kept } = socket.try_write_vectored(&slices[..count]);
            if bytes > 0 {
                self.advance(bytes);
            }
            // If the socket is broken, the task finds out.
            if bytes == 0 || is_kept {
                return QueueChange::ForTask;
            }
        }
        QueueChange::None
    }

    pub(super) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let (mut count, mut bytes) = (0, 0);
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(&frame.as_bytes()[skip..]);
            skip = 0;
            count += 1;
            bytes += slice.len();
            if bytes >= BYTES_PER_WRITE {
                break;
            }
        }
        count
    }

    /// Takes the first frames: at most `most` of them, and no further one once they have `bytes` in all.
    pub(super) fn take(&mut self, most: usize, bytes: usize) -> Vec<Frame> {
        let (mut frames, mut taken) = (Vec::with_capacity(self.frames.len().min(most)), Taken::default());
        let (mut len, mut payload) = (0, 0);
        while frames.len() < most
            && len < bytes
            && let Some(frame) = self.pop(&mut taken)
        {
            len += frame.len();
            payload += frame.payload_len();
            frames.push(frame);
        }
        self.settle(&taken, payload);
        frames
    }

    /// The cost of the frames behind the first one, which may itself be larger than the limit.
    pub(super) fn behind_first(&self) -> usize {
        self.bytes - self.frames.front().map_or(0, cost)
    }

    /// Removes what was written.
    pub(super) fn advance(&mut self, bytes: usize) {
        let (mut rest, mut taken) = (bytes, Taken::default());
        while let Some(first) = self.frames.front() {
            let left = first.len() - self.written;
            if rest < left {
                self.written += rest;
                break;
            }
            rest -= left;
            self.written = 0;
            self.pop(&mut taken);
        }
        self.settle(&taken, bytes);
    }

    /// Removes the first frame.
    #[inline]
    fn pop(&mut self, taken: &mut Taken) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= cost(&frame);
        taken.frames += 1;
        match frame.note().mark {
            Mark::Message => {}
            Mark::Delivery => taken.deliveries += 1,
            Mark::TimedDelivery => {
                taken.deliveries += 1;
                if let Some(accepted) = self.timed.pop_front() {
                    self.traffic.observe_queued(accepted);
                }
            }
        }
        Some(frame)
    }

    /// Counts what was taken, and these bytes as sent.
    fn settle(&mut self, taken: &Taken, bytes: usize) {
        self.stalled_since = None;
        if let Some(flushes) = &mut self.flushes {
            flushes.count(taken.frames);
        }
        if self.frames.is_empty() {
            // An idle connection keeps no queue.
            self.frames = VecDeque::new();
            if self.timed.capacity() > 0 {
                self.timed = VecDeque::new();
            }
        }
        self.pending = self.pending.saturating_sub(taken.deliveries);
        self.deliveries += taken.deliveries;
        self.sent += bytes as u64;
        self.traffic.count_sent(self.writer.transport(), bytes as u64, taken.deliveries);
    }

    /// Counts deliveries that were written without being queued, with their bytes.
    pub(super) fn count_written(&mut self, bytes: usize, deliveries: u64) {
        if bytes > 0 {
            self.deliveries += deliveries;
            self.sent += bytes as u64;
            self.traffic.count_sent(self.writer.transport(), bytes as u64, deliveries);
        }
    }

    /// Counts a frame of which all bytes were written before and are counted.
    pub(super) fn count_passed(&mut self, purpose: Purpose) {
        if purpose.is_delivery() {
            self.deliveries += 1;
            self.traffic.count_deliveries(DeliveryOutcome::Written, 1);
        }
    }

    /// Counts deliveries that are not sent, because the connection has ended or is about to.
    pub(super) fn count_refused(&self, deliveries: u64) {
        if deliveries > 0 {
            self.traffic.count_deliveries(DeliveryOutcome::of_end(self.state.ended()), deliveries);
        }
    }

    /// Counts the deliveries that will not be written any more.
    pub(super) fn give_up_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.count_refused(pending);
    }

    /// Tells whether everything that was sent is written.
    pub(super) fn is_flushed(&self) -> bool {
        self.frames.is_empty() && !self.suspended && !self.writer.keeps_bytes()
    }

    /// Completes the waits for frames that are written, and all of them once the queue has ended.
    pub(super) fn settle_flushes(&mut self) {
        if self.flushes.is_some() && !self.writer.keeps_bytes() {
            self.complete_flushes();
        }
        if let Some(mut flushes) = self.flushes.take_if(|_| self.state.ended().is_some()) {
            flushes.end();
        }
    }

    /// Completes the waits for frames that were taken. Nothing keeps bytes of them.
    pub(super) fn complete_flushes(&mut self) {
        if self.suspended {
            return;
        }
        if let Some(flushes) = &mut self.flushes {
            flushes.complete();
        }
        self.flushes.take_if(|flushes| flushes.is_empty());
    }

    /// Lets waiting tasks wait for what is queued over a new transport.
    pub(super) fn restart_flushes(&mut self) {
        if let Some(flushes) = &mut self.flushes {
            flushes.restart(self.frames.len());
        }
    }

    /// Queues `opening`, and all frames that the client has not acknowledged. Deliveries that were written before do not count
    /// again.
    pub(super) fn resend(&mut self, opening: Option<&Frame>) -> QueueChange {
        let mut change = opening.map_or(QueueChange::None, |frame| self.push(frame, Mark::Message));
        let retained: Vec<Frame> = self.retained.iter().flat_map(|retained| retained.frames()).cloned().collect();
        let deliveries = retained.iter().filter(|frame| frame.note().mark != Mark::Message).count() as u64;
        let mut written = deliveries.saturating_sub(self.pending);
        for frame in &retained {
            let is_counted = frame.note().mark != Mark::Message && written > 0;
            written -= u64::from(is_counted);
            change = change.or(self.push(frame, if is_counted { Mark::Message } else { frame.note().mark }));
        }
        change
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.give_up_pending();
    }
}
