use std::num::NonZeroU32;
use std::time::Duration;

use super::Retries;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn pauses_double_up_to_the_longest_and_half_of_each_is_random() {
    let retries = Retries::default();
    for (tries, least, most) in [
        (1, 100, 200),
        (2, 200, 400),
        (3, 400, 800),
        (4, 800, 1_600),
        (5, 1_600, 3_200),
        (6, 2_500, 5_000),
        (9, 2_500, 5_000),
    ] {
        assert_eq!(retries.pause(tries, None, ms(0), 0.0), Some(ms(least)), "{tries}");
        assert_eq!(retries.pause(tries, None, ms(0), 1.0), Some(ms(most)), "{tries}");
    }
    let many = retries.with_maximum_tries(NonZeroU32::MAX);
    assert_eq!(many.pause(u32::MAX - 1, None, ms(0), 1.0), Some(ms(5_000)));
}

#[test]
fn what_the_hub_asks_for_is_the_least_pause() {
    let retries = Retries::default();
    for (retry_after, random, pause) in
        [(0, 0.0, 100), (0, 1.0, 200), (5_000, 0.0, 5_000), (5_000, 1.0, 5_100), (29_000, 0.0, 29_000)]
    {
        assert_eq!(retries.pause(1, Some(ms(retry_after)), ms(0), random), Some(ms(pause)), "{retry_after}");
    }
}

#[test]
fn the_number_of_tries_and_the_time_limit_end_the_tries() {
    let retries = Retries::default();
    assert_eq!(retries.pause(10, None, ms(0), 0.0), None);
    assert_eq!(Retries::none().pause(1, None, ms(0), 0.0), None);
    for (retry_after, elapsed, pauses) in [
        (None, ms(29_899), true),
        (None, ms(29_900), false),
        (None, ms(40_000), false),
        (Some(ms(30_000)), ms(0), false),
        (Some(Duration::MAX), ms(0), false),
        (Some(ms(20_000)), ms(9_999), true),
        (Some(ms(20_000)), ms(10_000), false),
    ] {
        assert_eq!(retries.pause(1, retry_after, elapsed, 0.0).is_some(), pauses, "{retry_after:?} {elapsed:?}");
    }
    let short = retries.with_time_limit(ms(50)).with_first_pause(ms(20)).with_longest_pause(ms(60));
    assert_eq!((short.remaining(ms(20)), short.remaining(ms(70))), (ms(30), ms(0)));
    assert_eq!(short.pause(1, None, ms(20), 0.0), Some(ms(10)));
    assert_eq!(short.pause(3, None, ms(20), 0.0), None);
}
