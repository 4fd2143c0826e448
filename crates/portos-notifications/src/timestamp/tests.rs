use time::macros::datetime;

use super::*;

#[test]
fn times_are_read_with_any_offset_and_written_in_utc_with_milliseconds() {
    let check = |text: &str, written: Option<&str>| {
        assert_eq!(parse_timestamp(text).ok().map(format_timestamp).as_deref(), written, "{text}");
    };
    check("2024-07-01T12:51:52.558Z", Some("2024-07-01T12:51:52.558Z"));
    check("2024-07-01T14:51:52.5589999+02:00", Some("2024-07-01T12:51:52.558Z"));
    check("2022-03-29T11:38:06Z", Some("2022-03-29T11:38:06.000Z"));
    check("9999-12-31T23:59:59-01:00", Some("9999-12-31T23:59:59.999Z"));
    check("2024-07-01T12:51:52.558", None);
    check("2024-07-01", None);
    check("", None);
    assert_eq!(format_timestamp(datetime!(2024-01-01 0:00 +1)), "2023-12-31T23:00:00.000Z");
}
