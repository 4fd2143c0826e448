//! The writes of events: which attempt to publish an event has written it.

use std::fmt;
use std::str::FromStr;

use signalhub_events::EventId;

/// The number of an attempt to publish an event, from 1. The server runs an attempt once at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt(pub(crate) u32);

impl Attempt {
    pub(crate) const FIRST: Self = Self(1);

    /// The attempt after this one, which the server has not answered.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether the event may be in its stream already, so that the server looks for it first.
    pub(crate) fn is_repeated(self) -> bool {
        self != Self::FIRST
    }
}

/// One write of an event to its stream.
///
/// After a failover, an attempt may have been written at the old server and its repeat at the new one, at the same offset behind different
/// events. The id of the event does not tell these two apart, so the past is recognised by the write: a write is made once, and everything
/// before it is the same wherever it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WriteId {
    pub(crate) event: EventId,
    pub(crate) attempt: Attempt,
}

impl fmt::Display for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event, self.attempt.0)
    }
}

impl FromStr for WriteId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (event, attempt) = text.split_once('.').ok_or(())?;
        Ok(Self { event: event.parse().map_err(drop)?, attempt: Attempt(attempt.parse().map_err(drop)?) })
    }
}
