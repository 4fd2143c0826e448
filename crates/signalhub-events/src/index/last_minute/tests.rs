use time::macros::datetime;

use super::*;

/// Counts at these times and estimates at another.
#[track_caller]
fn check(counted: &[(OffsetDateTime, usize)], at: OffsetDateTime, expected: f64) {
    let mut last_minute = LastMinute::default();
    for (at, count) in counted {
        last_minute.add(Minute::of(*at), *count);
    }
    assert_eq!(last_minute.estimate(at), expected);
}

#[test]
fn counts_fade_over_the_minute_that_follows() {
    let counted = [(datetime!(2026-11-28 16:00:10 UTC), 3), (datetime!(2026-11-28 16:00:50 UTC), 5)];
    check(&counted, datetime!(2026-11-28 16:00:59 UTC), 8.0);
    check(&counted, datetime!(2026-11-28 16:01:00 UTC), 8.0);
    check(&counted, datetime!(2026-11-28 16:01:45 UTC), 2.0);
    check(&counted, datetime!(2026-11-28 16:02:00 UTC), 0.0);
    check(&counted, datetime!(2026-11-28 17:00:50 UTC), 0.0);
    check(&counted, datetime!(2026-11-29 16:00:50 UTC), 0.0);
    check(&[], datetime!(2026-11-28 16:00:00 UTC), 0.0);
}

#[test]
fn a_minute_after_a_pause_begins_anew() {
    let counted = [(datetime!(2026-11-28 16:00:10 UTC), 3), (datetime!(2026-11-28 16:02:00 UTC), 1)];
    check(&counted, datetime!(2026-11-28 16:02:30 UTC), 1.0);
    let counted = [(datetime!(2026-11-28 16:00:10 UTC), 4), (datetime!(2026-11-28 16:01:00 UTC), 1)];
    check(&counted, datetime!(2026-11-28 16:01:30 UTC), 3.0);
}
