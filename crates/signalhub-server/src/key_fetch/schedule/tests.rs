use super::*;

fn schedule(now: Instant) -> Schedule {
    Schedule::new(Intervals::new(&Auth::default()), now)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn max_age_decides_when_keys_are_fetched_again_between_the_minimum_interval_and_a_day() {
    let now = Instant::now();
    for (max_age, wait) in [
        (None, 900),
        (Some(0), 30),
        (Some(15), 30),
        (Some(600), 600),
        (Some(3600), 3600),
        (Some(86_400), 86_400),
        (Some(86_401), 86_400),
        (Some(u64::MAX), 86_400),
    ] {
        let mut schedule = schedule(now);
        assert_eq!(schedule.due(), now);
        schedule.begin(now);
        assert_eq!(schedule.succeed(now, max_age.map(seconds)), KeyState::NeverLoaded);
        assert_eq!(schedule.due(), now + seconds(wait), "{max_age:?}");
    }
}

#[test]
fn tokens_have_keys_fetched_once_per_minimum_interval() {
    let now = Instant::now();
    let mut schedule = schedule(now);
    assert!(schedule.request(now), "the first fetch is due");
    schedule.begin(now);
    assert!(schedule.request(now + seconds(4)), "a fetch is running");
    schedule.succeed(now + seconds(4), None);
    assert!(!schedule.request(now + seconds(29)));
    assert_eq!(schedule.due(), now + seconds(904));
    // The time counts from the beginning of the last fetch.
    assert!(schedule.request(now + seconds(30)));
    assert_eq!(schedule.due(), now + seconds(30));
    schedule.begin(now + seconds(30));
    schedule.fail(now + seconds(35), 0.0);
    assert!(!schedule.request(now + seconds(35)));
    assert_eq!(schedule.due(), now + seconds(36), "a failed fetch is repeated all the same");
}

#[test]
fn failed_fetches_are_repeated_after_a_second_and_then_after_twice_the_time_up_to_a_minute() {
    let now = Instant::now();
    let mut schedule = schedule(now);
    for (number, wait) in [1, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
        schedule.begin(now);
        let failure = schedule.fail(now, 0.0);
        assert_eq!(failure == Failure::First, number == 0);
        assert_eq!(schedule.due(), now + seconds(wait));
    }
    for _ in 0..100 {
        schedule.fail(now, 1.0);
    }
    assert_eq!(schedule.due(), now + seconds(45), "the jitter shortens the time by a quarter at most");
    schedule.succeed(now, None);
    assert_eq!(schedule.fail(now, 0.0), Failure::First);
    assert_eq!(schedule.due(), now + seconds(1));
}

#[test]
fn old_keys_are_dropped_when_no_fetch_has_succeeded_for_the_configured_time() {
    let now = Instant::now();
    let mut schedule = schedule(now);
    schedule.fail(now, 0.0);
    assert_eq!((schedule.keys(), schedule.dropped_at()), (KeyState::NeverLoaded, None));
    schedule.succeed(now, None);
    assert_eq!((schedule.keys(), schedule.dropped_at()), (KeyState::Current, None));
    // The time counts from the first failure, because the keys may have been fetched a day before.
    let later = now + seconds(86_400);
    schedule.fail(later, 0.0);
    schedule.fail(later + seconds(60), 0.0);
    assert_eq!(schedule.keys(), KeyState::Old { since: later });
    let end = later + seconds(86_400);
    assert_eq!(schedule.dropped_at(), Some(end));
    assert!(!schedule.drop_old(end - seconds(1)) && schedule.drop_old(end) && !schedule.drop_old(end));
    assert_eq!((schedule.keys(), schedule.dropped_at()), (KeyState::Dropped, None));
    schedule.fail(end, 0.0);
    assert_eq!(schedule.keys(), KeyState::Dropped);
    assert_eq!(schedule.succeed(end, None), KeyState::Dropped);
    assert_eq!(schedule.keys(), KeyState::Current);
}

#[test]
fn no_interval_is_too_short_or_too_long_for_the_clock() {
    let now = Instant::now();
    let long = seconds(u64::MAX / 1000);
    for (interval, expected) in [(Duration::ZERO, seconds(1)), (long, FAR)] {
        let auth =
            Auth { jwks_refresh: interval, jwks_minimum_interval: interval, jwks_stale: interval, ..Auth::default() };
        let mut schedule = Schedule::new(Intervals::new(&auth), now);
        schedule.begin(now);
        schedule.succeed(now, None);
        let due = schedule.due();
        assert!(due >= now + expected && due <= now.checked_add(long).unwrap_or(now + FAR), "{interval:?}");
        schedule.fail(now, 0.0);
        assert_eq!(schedule.drop_old(now), interval.is_zero());
    }
}
