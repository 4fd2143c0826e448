//! Frames that were sent and may have to be sent again over another transport.
//!
//! Frames are numbered from 1 as they are sent. What they mean is not known here: the handler says up to which number the
//! client has confirmed them.

use std::collections::VecDeque;

use super::limits::{QueueFull, cost};
use crate::frame::Frame;
use crate::intake::Intake;

/// The frames that the client has not confirmed, in order.
pub(super) struct Retained {
    frames: VecDeque<Frame>,
    /// How many frames before these are confirmed.
    released: u64,
    /// The bytes of these frames.
    bytes: usize,
    /// The same plus the overhead of each frame.
    cost: usize,
    /// With more bytes than this, `ready` waits.
    size: usize,
    /// While the client is not read from, its confirmations do not arrive, so nothing waits for them.
    intake: Intake,
}

impl Retained {
    pub(super) fn new(size: usize) -> Self {
        Self { frames: VecDeque::new(), released: 0, bytes: 0, cost: 0, size, intake: Intake::Open }
    }

    /// Keeps one more frame, unless that exceeds `most`. A single frame is always kept.
    pub(super) fn push(&mut self, frame: &Frame, most: usize) -> Result<(), QueueFull> {
        if !self.frames.is_empty() && self.cost + cost(frame) > most {
            return Err(QueueFull);
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
        self.bytes <= self.size || self.intake == Intake::Paused
    }

    /// Forgets the frames up to this number. A number that is already forgotten, or was never sent, is no error.
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

    /// The frames that are kept, in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    /// The number of the first kept frame, or of the next one to be sent if none is kept.
    pub(super) fn first_number(&self) -> u64 {
        self.released + 1
    }

    /// Notes whether the client is read from.
    pub(super) fn set_intake(&mut self, intake: Intake) {
        self.intake = intake;
    }
}
