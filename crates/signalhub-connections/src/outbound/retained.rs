//! What was sent and may have to be sent again, over another transport.
//!
//! Frames are numbered from 1 as they are sent. Nobody here knows what a frame says: the handler tells up to which number
//! the client has them.

use std::collections::VecDeque;

use super::queue::{Full, Queue, QueueChange, Writer, cost};
use super::{ConnectionEnded, Outbound, SendQueue};
use crate::Frame;

/// The frames that the client has not confirmed, in order.
pub(super) struct Retained {
    frames: VecDeque<Frame>,
    /// How many frames before these are confirmed.
    released: u64,
    /// The bytes of these frames.
    bytes: usize,
    /// The same with what holding them takes.
    cost: usize,
    /// With more bytes than this, those who can wait do.
    size: usize,
    read_state: ReadState,
}

/// Whether a confirmation can be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadState {
    /// What the client sends is read.
    Reading,
    /// Nothing is read, so nobody waits for what could only come that way.
    Paused,
}

/// Whether the bytes that went out end with a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastWrite {
    WholeFrame,
    PartialFrame,
}

impl Retained {
    fn new(size: usize) -> Self {
        Self { frames: VecDeque::new(), released: 0, bytes: 0, cost: 0, size, read_state: ReadState::Reading }
    }

    /// Keeps one more frame, unless that is too much. One frame alone is never too much.
    pub(super) fn push(&mut self, frame: &Frame, most: usize) -> Result<(), Full> {
        if !self.frames.is_empty() && self.cost + cost(frame) > most {
            return Err(Full);
        }
        self.bytes += frame.len();
        self.cost += cost(frame);
        self.frames.push_back(frame.clone());
        Ok(())
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes <= self.size || self.read_state == ReadState::Paused
    }

    /// Forgets the frames up to this number. One that is already forgotten, or was never sent, is no error.
    fn release(&mut self, through: u64) {
        while self.released < through
            && let Some(frame) = self.frames.pop_front()
        {
            self.released += 1;
            self.bytes -= frame.len();
            self.cost -= cost(&frame);
        }
        if self.frames.is_empty() {
            // An idle connection keeps no buffer.
            self.frames = VecDeque::new();
        }
    }
}

impl Outbound {
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
        self.0.lock().retained.as_ref().map_or(1, |retained| retained.released + 1)
    }

    /// Goes on over the new transport: first `opening`, then everything that is kept, then what is sent from now on.
    ///
    /// Between the loss of a transport and this, nothing is written; what is sent meanwhile is kept.
    pub fn resume(&self, opening: Option<&Frame>) {
        let mut queue = self.0.lock();
        queue.held = false;
        let frames: Vec<Frame> = opening.into_iter().chain(queue.unreleased()).cloned().collect();
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

impl SendQueue {
    /// Lets the transport go, with what is on its way; what is kept stays. Nothing is written before the send queue is resumed.
    pub(crate) fn suspend(&self) -> LastWrite {
        let mut queue = self.lock();
        let cut = if queue.written == 0 { LastWrite::WholeFrame } else { LastWrite::PartialFrame };
        queue.held = true;
        queue.stalled_since = None;
        queue.forget();
        if let Writer::Socket(_) = queue.writer {
            queue.writer = Writer::Task;
        }
        cut
    }

    /// Notes whether the client can be heard.
    pub(crate) fn set_read_state(&self, read_state: ReadState) {
        let mut queue = self.lock();
        let Some(retained) = &mut queue.retained else { return };
        retained.read_state = read_state;
    }
}

impl Queue {
    fn unreleased(&self) -> impl Iterator<Item = &Frame> {
        self.retained.iter().flat_map(|retained| &retained.frames)
    }
}
