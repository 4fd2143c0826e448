//! A moment in time, in the form that each protocol has for it.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// A moment in time: ISO 8601 text in JSON, a timestamp in MessagePack, as the original writes its `DateTime`.
///
/// Clients of JavaScript get a `Date` over MessagePack. Both protocols carry the years 1 to 9999. Text without a zone is no moment in
/// time: a [`DateTime`](crate::DateTime) takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub OffsetDateTime);

impl Timestamp {
    /// The name by which the writers of this crate recognise the type.
    pub(crate) const NAME: &str = "$signalhub::Timestamp";
}

/// Writes it in UTC, with as many digits of the second's fraction as there are: `2024-07-01T12:51:52.558Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.0.checked_to_offset(UtcOffset::UTC).unwrap_or(self.0);
        write_clock(PrimitiveDateTime::new(time.date(), time.time()), f)?;
        f.write_str("Z")
    }
}

/// Writes calendar and clock, without a zone.
pub(crate) fn write_clock(time: PrimitiveDateTime, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let (hour, minute, second) = time.as_hms();
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    if time.nanosecond() > 0 {
        let fraction = format!("{:09}", time.nanosecond());
        write!(f, ".{}", fraction.trim_end_matches('0'))?;
    }
    Ok(())
}

impl FromStr for Timestamp {
    type Err = time::error::Parse;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Self::NAME, &self.to_string())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Takes text: the reader of MessagePack hands out timestamps as text, too.
struct Text;

impl Visitor<'_> for Text {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment in time")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests;
