//! Times on the wire: ISO 8601 in UTC with milliseconds, such as `2024-07-01T12:51:52.558Z` (Portos, Notification `ca`, `ea`).

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// Writes a time in UTC with milliseconds.
#[must_use]
pub fn format_timestamp(time: OffsetDateTime) -> String {
    // A time at the very end of the calendar with a negative offset has no UTC counterpart; the calendar's end is the nearest.
    let utc = time.checked_to_offset(UtcOffset::UTC).unwrap_or_else(|| PrimitiveDateTime::MAX.assume_utc());
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let (hour, minute, second, millisecond) = (utc.hour(), utc.minute(), utc.second(), utc.millisecond());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// Reads a time with any offset and any number of fractional digits.
///
/// # Errors
/// If the text is not an ISO 8601 time with an offset.
pub fn parse_timestamp(text: &str) -> Result<OffsetDateTime, time::error::Parse> {
    OffsetDateTime::parse(text, &Rfc3339)
}

/// Serialises a required time.
pub(crate) mod required {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use time::OffsetDateTime;

    pub(crate) fn serialize<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_timestamp(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_timestamp(&text).map_err(|_| expected(&text))
    }

    pub(super) fn expected<E: de::Error>(text: &str) -> E {
        let expected = "a time such as \"2024-07-01T12:51:52.558Z\"";
        E::invalid_value(de::Unexpected::Str(text), &expected)
    }
}

/// Serialises a time that may be null.
pub(crate) mod optional {
    use serde::{Deserialize, Deserializer, Serializer};
    use time::OffsetDateTime;

    pub(crate) fn serialize<S: Serializer>(time: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::required::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::parse_timestamp(&text).map_err(|_| super::required::expected(&text))).transpose()
    }
}

#[cfg(test)]
mod tests;
