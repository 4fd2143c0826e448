//! When each event is sent, and by which sender to which group.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// How often something happens, at even distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Unit {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    fn name(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }

    fn nanoseconds(self) -> u128 {
        let seconds = match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        };
        seconds * 1_000_000_000
    }
}

impl Rate {
    /// Makes a rate of this number of times a second.
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self { count, per: Unit::Second }
    }

    /// Tells when the event of this number, counted from 0, is due after the start.
    pub fn due(self, number: u64) -> Duration {
        const SECOND: u128 = 1_000_000_000;
        let nanoseconds = u128::from(number) * self.per.nanoseconds() / u128::from(self.count.get());
        let rest = u32::try_from(nanoseconds % SECOND).unwrap_or_default();
        Duration::new(u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX), rest)
    }

    /// Counts the events that are due before a time has passed since the start.
    pub fn before(self, time: Duration) -> u64 {
        // Event n is due after floor(n * per / count) nanoseconds.
        let events = (time.as_nanos() * u128::from(self.count.get())).div_ceil(self.per.nanoseconds());
        u64::try_from(events).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.name())
    }
}

/// A text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a rate such as 100/s, in s, m or h")]
pub struct ParseRateError;

impl FromStr for Rate {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let (count, unit) = text.split_once('/').ok_or(ParseRateError)?;
        let per = Unit::ALL.into_iter().find(|known| known.name() == unit).ok_or(ParseRateError)?;
        Ok(Self { count: count.parse().map_err(|_| ParseRateError)?, per })
    }
}

/// The events of one sender to one group. A receiver of the group must get them in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) sender: u32,
    pub(crate) group: u32,
}

/// All events of a run. Their times depend on their numbers alone, never on how long the server took for those before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) rate: Rate,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    pub(crate) senders: NonZeroU32,
    pub(crate) groups: NonZeroU32,
}

impl Schedule {
    /// How many events there are, those of the warm-up included.
    pub(crate) fn events(&self) -> u64 {
        self.rate.before(self.warm_up + self.duration)
    }

    /// How many of them belong to the warm-up: the first ones.
    pub(crate) fn warm_up_events(&self) -> u64 {
        self.rate.before(self.warm_up)
    }

    /// The stream of an event, and its number there.
    pub(crate) fn place(&self, event: u64) -> (Stream, u32) {
        let (senders, groups) = (u64::from(self.senders.get()), u64::from(self.groups.get()));
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let stream = Stream { sender: narrow(event % senders), group: narrow(event / senders % groups) };
        (stream, narrow(event / (senders * groups)))
    }

    /// The event with this number in a stream.
    pub(crate) fn event(&self, stream: Stream, sequence: u32) -> u64 {
        let (senders, groups) = (u64::from(self.senders.get()), u64::from(self.groups.get()));
        u64::from(stream.sender) + senders * (u64::from(stream.group) + groups * u64::from(sequence))
    }

    /// How many events of a stream come before an event of any stream.
    pub(crate) fn sequence_before(&self, stream: Stream, event: u64) -> u32 {
        let step = u64::from(self.senders.get()) * u64::from(self.groups.get());
        let events = event.saturating_sub(self.event(stream, 0)).div_ceil(step);
        u32::try_from(events).unwrap_or(u32::MAX)
    }

    /// The streams that a receiver of a group gets, by their senders.
    pub(crate) fn streams_of(&self, group: u32) -> impl Iterator<Item = Stream> + use<> {
        (0..self.senders.get()).map(move |sender| Stream { sender, group })
    }
}

#[cfg(test)]
mod tests;
