use proptest::prelude::*;
use time::OffsetDateTime;

use super::Timestamp;

#[test]
fn texts_are_in_utc_and_as_short_as_they_can_be() {
    for (text, expected) in [
        ("2024-07-01T12:51:52.558Z", "2024-07-01T12:51:52.558Z"),
        ("2024-07-01T12:51:52.500000Z", "2024-07-01T12:51:52.5Z"),
        ("2024-07-01T14:51:52+02:00", "2024-07-01T12:51:52Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), expected);
    }
    for text in ["", "2024-07-01", "2024-13-01T00:00:00Z", "yesterday"] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn texts_read_back(seconds in -62_135_596_800_i64..253_402_300_800, nanoseconds in 0..1_000_000_000_u32) {
        let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap().replace_nanosecond(nanoseconds).unwrap();
        prop_assert_eq!(Timestamp(time).to_string().parse(), Ok(Timestamp(time)));
    }
}
