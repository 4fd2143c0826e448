use proptest::prelude::*;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::{DateTime, Zone};
use crate::Protocol;

/// What the original answers to a method that gives its `DateTime` back, on a server in UTC; `None` is a binding failure.
const ORIGINAL: [(&str, Option<&str>); 51] = [
    ("2024-01-02T03:04:05Z", Some("2024-01-02T03:04:05Z")),
    ("2024-01-02T03:04:05", Some("2024-01-02T03:04:05")),
    ("2024-01-02T03:04:05.1234567Z", Some("2024-01-02T03:04:05.1234567Z")),
    ("2024-01-02T03:04:05.12345678Z", Some("2024-01-02T03:04:05.1234567Z")),
    ("2024-01-02T03:04:05.99999999Z", Some("2024-01-02T03:04:05.9999999Z")),
    ("2024-01-02T03:04:05.1234567890123456", Some("2024-01-02T03:04:05.1234567")),
    ("2024-01-02T03:04:05.12345678901234567", None),
    ("2024-01-02T03:04:05.000000000000000000Z", None),
    ("2024-01-02T03:04:05.120Z", Some("2024-01-02T03:04:05.12Z")),
    ("2024-01-02T03:04:05.5", Some("2024-01-02T03:04:05.5")),
    ("2024-01-02T03:04:05.Z", Some("2024-01-02T03:04:05Z")),
    ("2024-01-02T03:04:05.", None),
    ("2024-01-02", Some("2024-01-02T00:00:00")),
    ("2024-01-02T03:04", Some("2024-01-02T03:04:00")),
    ("2024-01-02T03:04Z", Some("2024-01-02T03:04:00Z")),
    ("2024-01-02T03:04:05+02:00", Some("2024-01-02T01:04:05+00:00")),
    ("2024-01-02T03:04:05-00:30", Some("2024-01-02T03:34:05+00:00")),
    ("2024-01-02T03:04:05+02", Some("2024-01-02T01:04:05+00:00")),
    ("2024-01-02T03:04:05.5+01", Some("2024-01-02T02:04:05.5+00:00")),
    ("2024-01-02T03:04:05.+01:00", Some("2024-01-02T02:04:05+00:00")),
    ("2024-01-02T03:04+01:00", Some("2024-01-02T02:04:00+00:00")),
    ("2024-01-02T03:04:05-00:00", Some("2024-01-02T03:04:05+00:00")),
    ("2024-01-02T03:04:05-14:00", Some("2024-01-02T17:04:05+00:00")),
    ("2024-01-02T03:04:05+14:01", None),
    ("2024-01-02T03:04:05+13:60", None),
    ("2024-01-02T03:04:05+0200", None),
    ("2024-01-02T03:04:05+1:00", None),
    ("2024-01-02T03:04:05+02:", None),
    ("2024-01-02T03:04:05+02:000", None),
    ("0001-01-01T00:00:00", Some("0001-01-01T00:00:00")),
    ("0001-01-01T00:00:00+02:00", None),
    ("9999-12-31T23:59:59.9999999Z", Some("9999-12-31T23:59:59.9999999Z")),
    ("9999-12-31T23:59:59-01:00", None),
    ("0000-01-01", None),
    ("10000-01-01", None),
    ("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00Z")),
    ("2023-02-29T00:00:00Z", None),
    ("2024-13-01T00:00:00Z", None),
    ("2024-01-02 03:04:05", None),
    ("2024-01-02t03:04:05z", None),
    ("2024-01-02T03:04:05z", None),
    ("2024-01-02T24:00:00Z", None),
    ("2024-01-02T23:59:60Z", None),
    ("2024-01-02T03Z", None),
    ("2024-01-02Z", None),
    ("2024-01-02T03:04:05Zx", None),
    ("2024-01-02T03:04:05,5", None),
    ("2024-1-2", None),
    (" 2024-01-02", None),
    ("20240102", None),
    ("", None),
];

#[test]
fn texts_are_read_and_written_as_by_the_original() {
    for (text, expected) in ORIGINAL {
        let read = text.parse::<DateTime>().ok().map(|time| time.to_string());
        assert_eq!(read.as_deref(), expected, "{text}");
    }
}

#[test]
fn it_is_text_in_json_and_a_timestamp_in_message_pack() {
    let time: DateTime = "2024-07-01T12:51:52".parse().unwrap();
    let mut json = Vec::new();
    Protocol::Json.encode_value(&time, &mut json).unwrap();
    assert_eq!(json, br#""2024-07-01T12:51:52""#);
    let mut message_pack = Vec::new();
    Protocol::MessagePack.encode_value(&time, &mut message_pack).unwrap();
    assert_eq!(message_pack[..2], [0xd6, 0xff]);
    let read: DateTime = Protocol::MessagePack.value(&message_pack).bind().unwrap();
    assert_eq!((read.time, read.zone), (time.time, Zone::Utc));
}

proptest! {
    #[test]
    fn texts_read_back(seconds in -62_135_596_800_i64..253_402_300_800, ticks in 0..10_000_000_u32, zone in 0..3) {
        let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap().replace_nanosecond(ticks * 100).unwrap();
        let zone = [Zone::Unspecified, Zone::Utc, Zone::Offset][zone as usize];
        let time = DateTime { time: PrimitiveDateTime::new(moment.date(), moment.time()), zone };
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }
}
