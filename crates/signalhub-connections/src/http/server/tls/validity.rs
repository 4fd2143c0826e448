//! Reads until when a certificate is valid (RFC 5280, section 4.1). The TLS library does not tell.

use std::time::{Duration, SystemTime};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The end of a certificate's validity, if it can be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let mut certificate = Der(certificate).inside(SEQUENCE)?;
    let mut signed = certificate.inside(SEQUENCE)?;
    if signed.0.first() == Some(&VERSION) {
        signed.inside(VERSION)?;
    }
    // The serial number, the algorithm of the signature, and the issuer.
    signed.inside(INTEGER)?;
    signed.inside(SEQUENCE)?;
    signed.inside(SEQUENCE)?;
    let mut validity = signed.inside(SEQUENCE)?;
    validity.next()?;
    let (tag, time) = validity.next()?;
    time_of(tag, time)
}

/// Elements in DER, one after another.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes the next element: its tag and what is inside.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk::<2>()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            // The long form: this many bytes of length follow.
            let (bytes, behind) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
            length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = behind;
        }
        let (inside, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, inside))
    }

    /// Takes the next element if it has this tag.
    fn inside(&mut self, expected: u8) -> Option<Self> {
        self.next().filter(|(tag, _)| *tag == expected).map(|(_, inside)| Self(inside))
    }
}

/// Reads `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`, depending on the tag.
fn time_of(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => digits.split_at_checked(2)?,
        GENERALIZED_TIME => digits.split_at_checked(4)?,
        _ => return None,
    };
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let mut year = number(year);
    if tag == UTC_TIME {
        // RFC 5280, section 4.1.2.5.1.
        year += if year < 50 { 2000 } else { 1900 };
    }
    let (rest, []) = rest.as_chunks::<2>() else { return None };
    let [month, day, hour, minute, second] = rest else { return None };
    let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(|part| number(part));
    let days = days_since_1970(year, month, day)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Counts days in the Gregorian calendar; `None` before 1970 and for a month that does not exist.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = *lengths.get(before)?;
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    Some(years + lengths[..before].iter().sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_forms_are_read() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "240229120000Z", Some(1_709_208_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "500101000000Z", None),
            (UTC_TIME, "230229120000Z", None),
            (UTC_TIME, "231301120000Z", None),
            (UTC_TIME, "2301011200Z", None),
            (UTC_TIME, "230101120000+", None),
            (INTEGER, "700101000000Z", None),
        ] {
            let expected = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(time_of(tag, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_part_of_a_certificate_has_no_end() {
        for bytes in [&b""[..], b"\x30", b"\x30\x82", b"\x30\x02\x30\x00", b"\x30\xff\x00", b"\x30\x84\xff\xff\xff\xff"]
        {
            assert_eq!(not_after(bytes), None, "{bytes:?}");
        }
    }
}
