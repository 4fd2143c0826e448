//! Allowances, with the time as an argument.

use std::time::Duration;

use super::*;
use crate::http_api::problem::ProblemCode;

#[test]
fn an_allowance_is_spent_and_comes_back() {
    let limit = Allowances::new(RateLimit::new(10, Duration::from_secs(1)));
    let start = Instant::now();
    let rows: &[(u64, usize, Option<u64>)] = &[
        (0, 4, None),
        (0, 6, None),
        (0, 1, Some(100)),
        (50, 1, Some(50)),
        (100, 1, None),
        (100, 10, Some(1000)),
        // A batch larger than the whole allowance passes when it is whole, and the next one waits for all of it.
        (1100, 25, None),
        (1100, 1, Some(1600)),
        (2700, 1, None),
        // No more than the allowance is saved up.
        (60_000, 11, None),
        (60_000, 1, Some(200)),
    ];
    for (at, count, retry) in rows {
        let answer = limit.take(&Who::Key(KeyDigest::of(b"key")), None, *count, start + Duration::from_millis(*at));
        let waits = answer.err().map(|problem| {
            assert_eq!(problem.code, ProblemCode::RateLimited);
            problem.retry_after().unwrap().as_secs_f64()
        });
        match (waits, retry) {
            (None, None) => {}
            (Some(waits), Some(retry)) => assert!((waits * 1000.0 - *retry as f64).abs() < 1.0, "{at}: {waits}"),
            other => panic!("{at}, {count}: {other:?}"),
        }
    }
}

#[test]
fn publishers_have_an_allowance_each_and_are_forgotten_when_it_is_whole() {
    let limit = Allowances::new(RateLimit::new(1, Duration::from_secs(1)));
    let start = Instant::now();
    for number in 0..5000 {
        let at = start + Duration::from_millis(number);
        let user = Who::User((number / 2).to_string().into(), (number % 2 == 0).then(|| "org".into()));
        assert!(limit.take(&user, None, 1, at).is_ok());
        assert!(limit.take(&user, None, 1, at).is_err());
    }
    assert!(limit.buckets.lock().unwrap().of.len() <= 2048);
}

#[test]
fn without_a_limit_everything_passes() {
    let limit = Allowances::new(RateLimit::Unlimited);
    for _ in 0..100 {
        assert!(limit.take(&Who::Key(KeyDigest::of(b"key")), None, 1_000_000, Instant::now()).is_ok());
    }
}
