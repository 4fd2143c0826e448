//! Pages of lists, and disconnects that are spread over a time.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::disconnect::spread;
use super::*;
use crate::http_api::admin::operated::AdminLimits;

fn cursor(rank: u64, id: &str) -> Cursor {
    Cursor { rank, id: id.to_owned() }
}

#[test]
fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
    for known in [cursor(0, ""), cursor(u64::MAX, "aB-_1"), cursor(7, "a.b")] {
        assert_eq!(known.to_string().parse(), Ok(known));
    }
    for text in ["", "1", "a.b", "-1.a", "18446744073709551616.a", " 1.a"] {
        assert_eq!(text.parse::<Cursor>(), Err(()), "{text}");
    }
}

#[test]
fn pages_of_ten_thousand_have_each_connection_once_and_in_order() {
    // Ranks that many share, so that ids decide, too.
    let all: Vec<Cursor> = (0..10_000_u64).map(|number| cursor(number * 7_919 % 101, &number.to_string())).collect();
    for limit in [1_000, 999, 10_000] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = page(all.clone(), |cursor| cursor, limit, after.as_ref());
            assert!(page.len() <= limit);
            seen.extend(page);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let mut sorted = all.clone();
        sorted.sort_by(Cursor::order);
        assert_eq!(seen, sorted, "{limit}");
    }
}

#[test]
fn four_lists_are_made_at_once_and_a_fifth_is_refused_until_one_is_done() {
    let limits = AdminLimits::default();
    let mut permits: Vec<_> = (0..4).map(|_| limits.permit_list().unwrap()).collect();
    let refused = limits.permit_list().unwrap_err();
    assert_eq!((refused.code, refused.code.status()), (ProblemCode::TooManyLists, StatusCode::TOO_MANY_REQUESTS));
    assert!(refused.retry_after().is_some());
    permits.pop();
    drop(limits.permit_list().unwrap());
}

#[tokio::test(start_paused = true)]
async fn connections_end_evenly_over_the_time_that_was_asked_for() {
    for (count, over, expected) in [
        (4_u32, 8_000, &[0, 2_000, 4_000, 6_000][..]),
        (3, 100, &[0, 33, 67]),
        (1, 3_600_000, &[0]),
        (3, 0, &[0, 0, 0]),
        (0, 1_000, &[]),
    ] {
        let (start, ended) = (Instant::now(), Mutex::new(Vec::new()));
        let items: Vec<u32> = (0..count).collect();
        spread(&items, Duration::from_millis(over), |item| {
            ended.lock().unwrap().push((*item, start.elapsed().as_millis()));
        })
        .await;
        let expected: Vec<_> = items.iter().copied().zip(expected.iter().copied()).collect();
        // The clock of tokio has whole milliseconds.
        let seen = ended.into_inner().unwrap();
        assert_eq!(seen.len(), expected.len());
        for ((item, at), (wanted, due)) in seen.into_iter().zip(expected) {
            assert!(item == wanted && at.abs_diff(due) <= 1, "{count} over {over} ms: {item} after {at} ms");
        }
    }
}
