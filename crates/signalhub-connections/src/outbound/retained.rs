//! Frames that were sent and may have to be sent again over another transport.
//!
//! Frames are numbered from 1 in the order in which they are sent. The handler reads the client's acknowledgements, and
//! releases frames by their numbers.

use std::collections::VecDeque;

use super::limits::{QueueFull, cost};
use super::purpose::Purpose;
use crate::frame::{Frame, Mark, QueueNote};
use crate::intake::Intake;

/// The frames that the client has not acknowledged, in order.
pub(super) struct Retained {
    frames: VecDeque<Frame>,
    /// How many frames before these are acknowledged.
    released: u64,
    /// The bytes of these frames.
    bytes: usize,
    /// The same plus the overhead of each frame.
    cost: usize,
    /// While more bytes than this are retained, `ready` waits.
    size: usize,
    /// While the handler does not read, it gets no acknowledgements, so `ready` must not wait for them.
    intake: Intake,
}

impl Retained {
    pub(super) fn new(size: usize) -> Self {
        Self { frames: VecDeque::new(), released: 0, bytes: 0, cost: 0, size, intake: Intake::Open }
    }

    /// Retains one more frame, unless all of them then cost more than `most`. A single frame is always retained.
    pub(super) fn push(&mut self, frame: &Frame, purpose: Purpose, most: usize) -> Result<(), QueueFull> {
        if !self.frames.is_empty() && self.cost + cost(frame) > most {
            return Err(QueueFull);
        }
        self.bytes += frame.len();
        self.cost += cost(frame);
        let mark = if purpose.is_delivery() { Mark::Delivery } else { Mark::Message };
        self.frames.push_back(frame.noted(QueueNote { mark, since: 0 }));
        Ok(())
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes <= self.size || self.intake == Intake::Paused
    }

    /// Drops the frames up to this number. Numbers that were already released, or never sent, are no error.
    pub(super) fn release(&mut self, through: u64) {
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

    /// The retained frames, in order, and whether they are deliveries.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    /// The number of the first retained frame, or of the next one to be sent if none is retained.
    pub(super) fn first_number(&self) -> u64 {
        self.released + 1
    }

    /// Sets whether the handler reads from the client.
    pub(super) fn set_intake(&mut self, intake: Intake) {
        self.intake = intake;
    }
}
