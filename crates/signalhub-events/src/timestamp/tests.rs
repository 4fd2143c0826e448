use time::macros::datetime;

use super::*;

#[test]
fn times_are_written_in_utc_with_milliseconds() {
    let check = |time, text: &str| assert_eq!(format_timestamp(time), text);
    check(datetime!(2024-07-01 12:51:52.558 UTC), "2024-07-01T12:51:52.558Z");
    check(datetime!(2024-07-01 14:51:52.558999 +2), "2024-07-01T12:51:52.558Z");
    check(datetime!(2024-01-01 0:00 +1), "2023-12-31T23:00:00.000Z");
    check(datetime!(9999-12-31 23:59 -1), "9999-12-31T23:59:59.999Z");
}
