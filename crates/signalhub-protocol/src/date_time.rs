//! Dates and times as the original's `DateTime` has them, which may lack a zone.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::timestamp::{Timestamp, write_clock};

/// The most digits of a second's fraction that are read.
const MAX_FRACTION: usize = 16;

/// The greatest offset from UTC, in minutes.
const MAX_OFFSET: i32 = 14 * 60;

/// A date and a time of day, with or without a zone: what .NET clients send for a `DateTime`.
///
/// In JSON it is ISO 8601 text, in MessagePack a timestamp, which is in UTC. It has seven digits of the second's fraction, and
/// the years 1 to 9999. A moment in time that needs its zone is a [`Timestamp`].
///
/// ```
/// use signalhub_protocol::{DateTime, Zone};
///
/// let open: DateTime = "2024-07-01T08:30".parse()?;
/// assert_eq!(open.zone, Zone::Unspecified);
/// assert_eq!(open.to_string(), "2024-07-01T08:30:00");
/// # Ok::<(), signalhub_protocol::ParseTimeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// What calendar and clock show: in UTC, unless the zone is unspecified.
    pub time: PrimitiveDateTime,
    /// What is known about the zone.
    pub zone: Zone,
}

/// What a [`DateTime`] says about its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Nothing; the original's `DateTimeKind.Unspecified`.
    Unspecified,
    /// It was given in UTC, as `Z`.
    Utc,
    /// It was given with an offset, and is written with `+00:00`, as a server of the original in UTC does.
    Offset,
}

/// The text is no date and time in the original's form of ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is no date and time in ISO 8601")]
pub struct ParseTimeError;

impl DateTime {
    /// The moment that it stands for; one without zone is taken as UTC.
    pub(crate) fn in_utc(self) -> OffsetDateTime {
        self.time.assume_utc()
    }
}

/// Reads ISO 8601 as System.Text.Json does: the time, its seconds and the zone may be missing, a week or a day of the year is
/// not understood, and the letters are capitals.
impl FromStr for DateTime {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        parse(text.as_bytes()).ok_or(ParseTimeError)
    }
}

fn parse(text: &[u8]) -> Option<DateTime> {
    let (date, rest) = parse_date(text)?;
    if rest.is_empty() {
        return Some(DateTime { time: date.midnight(), zone: Zone::Unspecified });
    }
    let (time, rest) = parse_time(rest.strip_prefix(b"T")?)?;
    let time = date.with_time(time);
    match rest {
        b"" => Some(DateTime { time, zone: Zone::Unspecified }),
        b"Z" => Some(DateTime { time, zone: Zone::Utc }),
        [sign @ (b'+' | b'-'), offset @ ..] => {
            let minutes = parse_offset(offset)?;
            let minutes = if *sign == b'-' { -minutes } else { minutes };
            let offset = UtcOffset::from_whole_seconds(minutes * 60).ok()?;
            let utc = time.assume_offset(offset).checked_to_offset(UtcOffset::UTC)?;
            // The calendar of the crate `time` begins before the year 1.
            let time = PrimitiveDateTime::new(utc.date(), utc.time());
            (utc.year() >= 1).then_some(DateTime { time, zone: Zone::Offset })
        }
        _ => None,
    }
}

/// Reads `2024-07-01`.
fn parse_date(text: &[u8]) -> Option<(Date, &[u8])> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = number(rest.strip_prefix(b"-")?, 2)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    (year >= 1).then_some((date, rest))
}

/// Reads `08:30`, `08:30:00` or `08:30:00.5`; a point without digits may stand in front of a zone.
fn parse_time(text: &[u8]) -> Option<(Time, &[u8])> {
    let (hour, rest) = number(text, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = match rest.strip_prefix(b":") {
        Some(rest) => number(rest, 2)?,
        None => return Some((Time::from_hms(u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, 0).ok()?, rest)),
    };
    let (nanosecond, rest) = match rest.strip_prefix(b".") {
        Some(rest) => parse_fraction(rest)?,
        None => (0, rest),
    };
    let [hour, minute, second] = [hour, minute, second].map(|part| u8::try_from(part).unwrap_or(u8::MAX));
    Some((Time::from_hms_nano(hour, minute, second, nanosecond).ok()?, rest))
}

/// Gives the nanoseconds of a fraction; digits behind the seventh are cut off.
fn parse_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    const DIGITS: usize = 7;
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    if count > MAX_FRACTION || (count == 0 && rest.is_empty()) {
        return None;
    }
    let ticks = (0..DIGITS).fold(0, |ticks: u32, at| {
        let digit = digits.get(at).map_or(0, |digit| digit - b'0');
        ticks * 10 + u32::from(digit)
    });
    Some((ticks * 100, rest))
}

/// Gives the minutes of `02:00` or `02`, which must be all that is left.
fn parse_offset(text: &[u8]) -> Option<i32> {
    let (hours, rest) = number(text, 2)?;
    let minutes = match rest.strip_prefix(b":") {
        Some(rest) => match number(rest, 2)? {
            (minutes, b"") if minutes < 60 => minutes,
            _ => return None,
        },
        None if rest.is_empty() => 0,
        None => return None,
    };
    i32::try_from(hours * 60 + minutes).ok().filter(|minutes| *minutes <= MAX_OFFSET)
}

/// Reads a number of exactly this many digits.
fn number(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let value = number.iter().try_fold(0, |value: u32, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(value * 10 + u32::from(digit))
    })?;
    Some((value, rest))
}

/// Writes it as the original does, with as many digits of the second's fraction as there are.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_clock(self.time, f)?;
        f.write_str(match self.zone {
            Zone::Unspecified => "",
            Zone::Utc => "Z",
            Zone::Offset => "+00:00",
        })
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Timestamp::NAME, &self.to_string())
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Takes text: the reader of MessagePack hands out timestamps as text, too.
struct Text;

impl Visitor<'_> for Text {
    type Value = DateTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date and time")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DateTime, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests;
