//! A count of the last minute that costs a comparison and an addition.

use time::OffsetDateTime;

/// Counts by the minutes of the clock, and keeps two of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastMinute {
    minute: Minute,
    counted: u32,
    before: u32,
}

/// A minute of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Minute(u32);

impl Minute {
    /// The minute of this time.
    pub(crate) fn of(now: OffsetDateTime) -> Self {
        let days = u32::from(now.ordinal());
        Self((days * 24 + u32::from(now.hour())) * 60 + u32::from(now.minute()))
    }

    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl LastMinute {
    /// Counts something in this minute.
    pub(crate) fn add(&mut self, minute: Minute, count: usize) {
        if self.minute != minute {
            let before = if self.minute.next() == minute { self.counted } else { 0 };
            *self = Self { minute, counted: 0, before };
        }
        self.counted = self.counted.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Estimates what was counted in the 60 seconds before `now`: of the minute before, the part that is less than 60 seconds ago, as if all of
    /// it had been spread evenly.
    pub(crate) fn estimate(mut self, now: OffsetDateTime) -> f64 {
        self.add(Minute::of(now), 0);
        let passed = f64::from(now.second()) / 60.0;
        f64::from(self.counted) + f64::from(self.before) * (1.0 - passed)
    }
}

#[cfg(test)]
mod tests;
