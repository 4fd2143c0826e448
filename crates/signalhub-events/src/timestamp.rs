//! How times are written.

use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// Writes a time as ISO 8601 in UTC with milliseconds, such as `2024-07-01T12:51:52.558Z`.
#[must_use]
pub fn format_timestamp(time: OffsetDateTime) -> String {
    // A time at the very end of the calendar with a negative offset has no UTC counterpart; the calendar's end is the nearest.
    let utc = time.checked_to_offset(UtcOffset::UTC).unwrap_or_else(|| PrimitiveDateTime::MAX.assume_utc());
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let (hour, minute, second, millisecond) = (utc.hour(), utc.minute(), utc.second(), utc.millisecond());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests;
