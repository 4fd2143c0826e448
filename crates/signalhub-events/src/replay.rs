//! The replay of missed events to one subscriber, up to the moment at which it gets new ones as they are published.
//!
//! It does no I/O and holds no lock: its driver asks for the next [`Step`], performs it, and reports the result. Offsets decide
//! what is still missing, so no event can be replayed and delivered live, and none can be left out.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::Event;
use crate::gap::{Gap, GapReason};
use crate::log::{Bounds, Page};
use crate::position::Position;

/// How many events are read at once.
const PAGE: usize = 256;

/// After this number of attempts to go live, the last events are sent while publishers wait, so that a replay under steady load ends.
const ATTEMPTS: u32 = 32;

/// The most events that are sent while publishers wait.
const LAST: usize = 64;

/// From where on a subscriber wants the events of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Those that are published from now on.
    Now,
    /// All that are kept.
    Earliest,
    /// Those behind this position.
    Position(Position),
}

/// What the driver of a replay does next.
#[derive(Debug)]
pub enum Step {
    /// Read at most `most` events behind the position `after`, and call [`Replay::on_page`], or [`Replay::on_unavailable`].
    Read {
        /// The position behind which to read.
        after: Position,
        /// How many events to read at most.
        most: usize,
    },
    /// Send this event. Before the next step, the driver waits until the subscriber can take more; see [`Replay::pause`].
    Send(Position, Arc<Event>),
    /// Begin to deliver new events with [`Broker::go_live`](crate::Broker::go_live). If that finds newer events, call
    /// [`Replay::on_behind`]; else the replay is over, with [`Replay::gap`] as its result.
    GoLive(GoLive),
}

/// When a subscriber may begin to get new events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoLive {
    /// Whatever the latest event is.
    Now,
    /// If at most `most` events are newer than the position `after`. These are sent first, while publishers wait.
    Behind {
        /// The position up to which everything was sent.
        after: Position,
        /// How many events may be newer.
        most: usize,
    },
}

/// Replays the events of one name.
#[derive(Debug)]
pub struct Replay {
    since: Since,
    bounds: Bounds,
    limits: ReplayLimits,
    sent: u64,
    state: State,
}

/// How much one replay of missed events may cost. More is a [gap](GapReason::Limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayLimits {
    /// How many events may match.
    pub matching: usize,
    /// How many events may be read, whether they match or not.
    pub scanned: usize,
}

#[derive(Debug)]
enum State {
    /// Counts the events up to the cursor, and those that match, because there may be more than the limits.
    Checking { cursor: u64, found: usize, scanned: usize },
    /// Everything up to the cursor was sent or does not match. More is to be read.
    Replaying { cursor: u64, attempts: u32 },
    /// Sends what was read.
    Sending { cursor: u64, page: VecDeque<(u64, Arc<Event>)>, through: u64, rest: Rest, attempts: u32 },
    /// Everything that was kept when it was read was sent.
    Closing { cursor: u64, attempts: u32 },
    /// Nothing more is replayed.
    Over(Option<Gap>),
}

/// Whether more than one page was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    More,
    Nothing,
}

impl Replay {
    /// Begins a replay within these limits. The bounds are those of the name at this moment.
    ///
    /// [`Since::Earliest`] asks for what is kept, so there is no gap, and no other limit than that of the history.
    #[must_use]
    pub fn new(since: Since, bounds: Bounds, limits: ReplayLimits) -> Self {
        let replaying = |cursor| State::Replaying { cursor, attempts: 0 };
        let state = match since {
            Since::Now => State::Over(None),
            Since::Earliest => bounds.first.map_or(State::Over(None), |first| replaying(first.saturating_sub(1))),
            Since::Position(from) => match gap_reason(from, &bounds) {
                Some(reason) => State::Over(Some(bounds.gap(from, reason))),
                None if bounds.top - from.offset() > limits.matching.min(limits.scanned) as u64 => {
                    State::Checking { cursor: from.offset(), found: 0, scanned: 0 }
                }
                None => replaying(from.offset()),
            },
        };
        Self { since, bounds, limits, sent: 0, state }
    }

    /// Returns what to do next.
    pub fn poll(&mut self) -> Step {
        loop {
            match &mut self.state {
                State::Checking { cursor, .. } | State::Replaying { cursor, .. } => {
                    return Step::Read { after: Position::new(self.bounds.epoch, *cursor), most: PAGE };
                }
                State::Sending { cursor, page, through, rest, attempts } => {
                    if let Some((offset, event)) = page.pop_front() {
                        *cursor = offset;
                        self.sent += 1;
                        return Step::Send(Position::new(self.bounds.epoch, offset), event);
                    }
                    let (cursor, attempts) = (*through, *attempts);
                    self.state = match rest {
                        Rest::More => State::Replaying { cursor, attempts },
                        Rest::Nothing => State::Closing { cursor, attempts },
                    };
                }
                State::Closing { cursor, attempts } => {
                    let most = if *attempts < ATTEMPTS { 0 } else { LAST };
                    let after = Position::new(self.bounds.epoch, *cursor);
                    return Step::GoLive(GoLive::Behind { after, most });
                }
                State::Over(_) => return Step::GoLive(GoLive::Now),
            }
        }
    }

    /// Takes the page that was read. Events that do not match, by the filters and by what the subscriber may see now, are left out.
    pub fn on_page(&mut self, page: Page, matches: impl Fn(&Event) -> bool) {
        // A store may return fewer events than were asked for, because they are large. An empty page has nothing behind it, whatever it says.
        let is_last = page.events.len() < PAGE && page.through >= self.bounds.top;
        let rest = if is_last || page.events.is_empty() { Rest::Nothing } else { Rest::More };
        let Page { events, first, through } = page;
        self.bounds.first = Some(first);
        match self.state {
            State::Checking { cursor, .. } | State::Replaying { cursor, .. } if self.misses(cursor, first) => {
                let from = Position::new(self.bounds.epoch, cursor);
                self.state = State::Over(Some(self.bounds.gap(self.asked().unwrap_or(from), GapReason::Trimmed)));
            }
            State::Checking { found, scanned, .. } => {
                let found = found + events.iter().filter(|(_, event)| matches(event)).count();
                let scanned = scanned + events.len();
                let Some(from) = self.asked() else { return };
                self.state = if found > self.limits.matching || scanned > self.limits.scanned {
                    State::Over(Some(self.bounds.gap(from, GapReason::Limit)))
                } else if rest == Rest::More {
                    State::Checking { cursor: through, found, scanned }
                } else {
                    State::Replaying { cursor: from.offset(), attempts: 0 }
                };
            }
            State::Replaying { cursor, attempts } => {
                let page = events.into_iter().filter(|(_, event)| matches(event)).collect();
                self.state = State::Sending { cursor, page, through: through.max(cursor), rest, attempts };
            }
            State::Sending { .. } | State::Closing { .. } | State::Over(_) => {}
        }
    }

    /// Drops the events that were read and not sent; they will be read again. A driver that waits for its subscriber calls it, so that
    /// a subscriber that does not read keeps no events in memory.
    pub fn pause(&mut self) {
        if let State::Sending { cursor, attempts, page, .. } = &self.state
            && !page.is_empty()
        {
            let (cursor, attempts) = (*cursor, *attempts);
            self.state = State::Replaying { cursor, attempts };
        }
    }

    /// Ends the replay, because nothing can be read.
    pub fn on_unavailable(&mut self) {
        if let State::Checking { cursor, .. } | State::Replaying { cursor, .. } = self.state {
            let from = self.asked().unwrap_or(Position::new(self.bounds.epoch, cursor));
            self.state = State::Over(Some(self.bounds.gap(from, GapReason::Unavailable)));
        }
    }

    /// Continues with the events that were published since the last page was read.
    pub fn on_behind(&mut self) {
        if let State::Closing { cursor, attempts } = self.state {
            self.state = State::Replaying { cursor, attempts: attempts + 1 };
        }
    }

    /// Counts the events that were sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns what is missing.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        match self.state {
            State::Over(gap) => gap,
            _ => None,
        }
    }

    /// The position behind which the next event is missing: the one that was asked for, until an event was sent.
    fn asked(&self) -> Option<Position> {
        match self.since {
            Since::Position(from) if self.sent == 0 => Some(from),
            _ => None,
        }
    }

    /// Tells whether events behind the cursor are no longer kept. At its start, a replay of what is kept misses nothing.
    fn misses(&self, cursor: u64, first: u64) -> bool {
        cursor + 1 < first && !(self.since == Since::Earliest && self.sent == 0)
    }
}

impl Bounds {
    fn gap(&self, from: Position, reason: GapReason) -> Gap {
        Gap { from, first: self.first.map(|offset| Position::new(self.epoch, offset)), reason }
    }
}

/// Why a replay from this position cannot be complete.
fn gap_reason(from: Position, bounds: &Bounds) -> Option<GapReason> {
    let Some(first) = bounds.first else { return Some(GapReason::Off) };
    if from.epoch() != bounds.epoch {
        Some(GapReason::Epoch)
    } else if from.offset() > bounds.top {
        Some(GapReason::Future)
    } else if from.offset() + 1 < first {
        Some(GapReason::Trimmed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
