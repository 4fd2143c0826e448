//! Times as extensions (MessagePack specification, Timestamp extension type).

use time::{Duration, OffsetDateTime};

use super::format::{EXT_8, FIXEXT_1};

/// The type of the extension.
pub(super) const TIMESTAMP: i8 = -1;

/// Reads the bytes of an extension; `None` when they are no time that a calendar has.
pub(super) fn read(bytes: &[u8]) -> Option<OffsetDateTime> {
    let (seconds, nanoseconds) = match *bytes {
        [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]).into(), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            (i64::try_from(both & 0x3_FFFF_FFFF).ok()?, u32::try_from(both >> 34).ok()?)
        }
        [a, b, c, d, ref seconds @ ..] => {
            (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes([a, b, c, d]))
        }
        _ => return None,
    };
    if nanoseconds >= 1_000_000_000 {
        return None;
    }
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.checked_add(Duration::nanoseconds(nanoseconds.into()))
}

/// Appends a time in the shortest of the three forms.
pub(super) fn write(time: OffsetDateTime, out: &mut Vec<u8>) {
    let (seconds, nanoseconds) = (time.unix_timestamp(), time.nanosecond());
    let kind = TIMESTAMP.to_be_bytes()[0];
    match (u64::try_from(seconds), u32::try_from(seconds)) {
        (_, Ok(seconds)) if nanoseconds == 0 => {
            out.extend_from_slice(&[FIXEXT_1 + 2, kind]);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        (Ok(seconds), _) if seconds < 1 << 34 => {
            out.extend_from_slice(&[FIXEXT_1 + 3, kind]);
            out.extend_from_slice(&(u64::from(nanoseconds) << 34 | seconds).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[EXT_8, 12, kind]);
            out.extend_from_slice(&nanoseconds.to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
