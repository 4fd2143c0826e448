//! Times and sizes, which are written with a unit.

use std::fmt;
use std::time::Duration;

use super::setting::{Given, Setting, quoted};

const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Setting for Duration {
    const EXPECTED: &'static str = "a time such as \"15s\", in ms, s, m, h or d";

    fn parse(given: &Given<'_>) -> Option<Self> {
        parse_duration(given.text()?)
    }

    fn written(&self) -> String {
        let milliseconds = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let fits = |(_, unit): &&(&str, u64)| milliseconds % unit == 0 && (milliseconds > 0 || *unit == 1000);
        let (name, unit) = TIME_UNITS.iter().find(fits).unwrap_or(&("ms", 1));
        quoted(&format!("{}{name}", milliseconds / unit))
    }
}

/// Reads a time such as `15s`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    parse_units(text, &TIME_UNITS).map(Duration::from_millis)
}

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(usize);

impl ByteSize {
    /// Makes a size of this number of kibibytes, of 1024 bytes each.
    pub const fn kibibytes(count: usize) -> Self {
        Self(count * 1024)
    }

    /// Makes a size of this number of bytes.
    pub const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u64;
        let (name, unit) = SIZE_UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)).unwrap_or(&("B", 1));
        write!(f, "{}{name}", bytes / unit)
    }
}

impl Setting for ByteSize {
    const EXPECTED: &'static str = "a size such as \"32KiB\", in B, KiB, MiB or GiB, and more than nothing";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let bytes = parse_units(given.text()?, &SIZE_UNITS).filter(|bytes| *bytes > 0)?;
        usize::try_from(bytes).ok().map(Self)
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

fn parse_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, name) = text.split_at(digits);
    let (_, unit) = units.iter().find(|(known, _)| *known == name.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*unit)
}
