//! The position of an event among those of its name.

use std::fmt;
use std::str::FromStr;

/// Identifies one run of a broker. Offsets of different epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// Wraps an epoch that was read from somewhere.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The position of an event among the events of its name, written `<epoch>:<offset>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    epoch: Epoch,
    offset: u64,
}

impl Position {
    /// Creates the position of the `offset`th event of its name in an epoch.
    #[must_use]
    pub const fn new(epoch: Epoch, offset: u64) -> Self {
        Self { epoch, offset }
    }

    /// Returns the epoch: the run of the broker that gave the position.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the number of the event among those of its name; the first is 1.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

/// A text is not a valid position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no position: expected 16 lower-case hexadecimal digits, a colon and a number")]
pub struct PositionError(String);

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let parse = || {
            let (epoch, offset) = text.split_once(':')?;
            let position = Self::new(Epoch(u64::from_str_radix(epoch, 16).ok()?), offset.parse().ok()?);
            // One text per position, so that positions may be compared as text: no signs, no other count of digits.
            (position.to_string() == text).then_some(position)
        };
        parse().ok_or_else(|| PositionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
