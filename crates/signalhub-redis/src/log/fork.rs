//! Whether a stream still has the past that this node has read.
//!
//! After a restart or a failover, Redis may come back with less. A reader that stands behind the end of a stream is told nothing: it
//! would miss the events that follow, without an error. So each name is checked, after each connection and every few seconds.

use std::collections::VecDeque;

use signalhub_events::{Epoch, Position};

use super::write::WriteId;

/// How far a node has read a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// The epoch of the name; `None` before it has begun, as far as this node knows.
    pub(crate) epoch: Option<Epoch>,
    /// The offset of the last event that was read; 0 before the first one.
    pub(crate) offset: u64,
    /// The write of that event, if it is known.
    pub(crate) tail: Option<WriteId>,
}

/// What Redis has of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// The epoch of the name, if it has begun.
    pub(crate) epoch: Option<Epoch>,
    /// The offset of its latest event.
    pub(crate) top: u64,
    /// The write of the event at the cursor, if that is kept or is the latest one.
    pub(crate) at_cursor: Option<WriteId>,
    /// The offset of the first event that is kept, if one is.
    pub(crate) first: Option<u64>,
}

/// What a check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The name has not begun.
    Absent,
    /// The name has begun, with this epoch.
    Begun(Epoch),
    /// The past is the one that was read.
    Same,
    /// The past is the one that was read, as far as can be seen, and events were removed: all up to this offset.
    Trimmed(u64),
    /// Another node has begun a new epoch.
    NewEpoch(Epoch),
    /// The past is another one, and no node has begun a new epoch yet.
    Forked,
}

impl Cursor {
    /// Stands at the latest event of a name.
    pub(crate) fn at(position: Position, tail: Option<WriteId>) -> Self {
        Self { epoch: Some(position.epoch()), offset: position.offset(), tail }
    }

    /// Stands at the event that was the latest one at a first look, by what a second look at it has found. If the name has begun a new epoch
    /// between the two, the offset means nothing there, and the name is read from its start.
    pub(crate) fn start(first: &Seen, second: &Seen) -> Self {
        match second.epoch {
            Some(epoch) if second.epoch == first.epoch && second.top >= first.top => {
                Self::at(Position::new(epoch, first.top), second.at_cursor)
            }
            _ => Self::default(),
        }
    }

    /// The position, if the name has begun.
    pub(crate) fn position(&self) -> Option<Position> {
        self.epoch.map(|epoch| Position::new(epoch, self.offset))
    }

    /// Compares what was read with what Redis has.
    pub(crate) fn judge(&self, seen: &Seen) -> Verdict {
        let Some(epoch) = self.epoch else {
            return match seen.epoch {
                Some(epoch) => Verdict::Begun(epoch),
                // Its events are there, and nothing says which epoch is theirs.
                None if seen.first.is_some() => Verdict::Forked,
                None => Verdict::Absent,
            };
        };
        match seen.epoch {
            None => return Verdict::Forked,
            Some(other) if other != epoch => return Verdict::NewEpoch(other),
            Some(_) => {}
        }
        let is_other = |(found, read)| found != read;
        if seen.top < self.offset || seen.at_cursor.zip(self.tail).is_some_and(is_other) {
            return Verdict::Forked;
        }
        match seen.first {
            // It would be there.
            Some(first) if first <= self.offset && seen.at_cursor.is_none() => Verdict::Forked,
            Some(first) if first > self.offset + 1 => Verdict::Trimmed(first - 1),
            // Nothing behind the cursor is missing. But what was read is removed, so it cannot be compared.
            Some(_) if seen.at_cursor.is_none() && self.tail.is_some() => Verdict::Trimmed(self.offset),
            None if seen.top > self.offset => Verdict::Trimmed(seen.top),
            _ => Verdict::Same,
        }
    }
}

/// How many epochs of a name are remembered.
const REMEMBERED: usize = 16;

/// The epochs of a name that this node has left. If Redis comes back with one of them, other events may get offsets that were given
/// before, so the name begins a new epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftEpochs(VecDeque<Epoch>);

impl LeftEpochs {
    /// Leaves an epoch.
    pub(crate) fn leave(&mut self, epoch: Epoch) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(epoch);
    }

    /// Corrects what a check has found by what only this node knows.
    pub(crate) fn correct(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::NewEpoch(epoch) if self.0.contains(&epoch) => Verdict::Forked,
            verdict => verdict,
        }
    }
}

#[cfg(test)]
mod tests;
