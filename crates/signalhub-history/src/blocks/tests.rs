use proptest::prelude::*;

use super::*;

fn limits(events: u64, bytes: u64, age: Duration) -> NameLimits {
    NameLimits { events, bytes, age }
}

fn written(row: i64, at: i64, bytes: u64, keyed: bool) -> Written {
    Written { row, at, bytes, keyed }
}

#[test]
fn a_block_ends_with_each_of_its_sizes() {
    let check = |limits: NameLimits, bytes: u64, millis: i64, expected: &[u64]| {
        let mut blocks = Blocks::new(1, &limits);
        for event in 0..200 {
            blocks.push(written(event, event * millis, bytes, false));
        }
        let sizes: Vec<_> = std::iter::from_fn(|| blocks.pop()).map(|removed| removed.events).collect();
        assert_eq!(sizes, expected, "{limits:?}");
    };
    let day = Duration::from_secs(86_400);
    check(limits(100_000, 1 << 30, day), 100, 1, &[64, 64, 64, 8]);
    check(limits(100_000, 1 << 30, day), 1_024, 1, &[64, 64, 64, 8]);
    check(limits(100_000, 1 << 30, day), 1_280, 1, &[51, 51, 51, 47]);
    check(limits(800, 1 << 30, day), 100, 1, &[50; 4]);
    check(limits(100_000, 64_000, day), 100, 1, &[40; 5]);
    check(limits(100_000, 1 << 30, Duration::from_millis(800)), 100, 1, &[50; 4]);
    check(limits(1, 1 << 30, day), 100, 1, &[1; 200]);
    check(limits(100_000, 0, day), 100, 1, &[1; 200]);
    check(limits(100_000, 1 << 30, Duration::ZERO), 100, 1, &[1; 200]);
}

#[test]
fn a_removed_block_has_the_rows_of_its_events() {
    let mut blocks = Blocks::new(10, &limits(32, 1 << 20, Duration::from_secs(86_400)));
    for (row, at, keyed) in [(3, 100, false), (7, 200, true), (8, 300, false)] {
        blocks.push(written(row, at, 50, keyed));
    }
    assert_eq!((blocks.first(), blocks.next(), blocks.events(), blocks.bytes()), (10, 13, 3, 150));
    assert_eq!((blocks.oldest_row(), blocks.oldest_at()), (Some(3), Some(300)));
    assert_eq!(blocks.pop(), Some(Removed { from: 3, to: 8, events: 2, bytes: 100, at: 300, keyed: true }));
    assert_eq!(blocks.pop(), Some(Removed { from: 8, to: 9, events: 1, bytes: 50, at: 300, keyed: false }));
    assert_eq!(blocks.pop(), None);
    assert_eq!((blocks.first(), blocks.next(), blocks.events(), blocks.bytes()), (13, 13, 0, 0));
    assert_eq!((blocks.oldest_row(), blocks.oldest_at(), blocks.row_before(12)), (None, None, None));
}

proptest! {
    #[test]
    fn a_scan_begins_at_most_a_block_before_the_event(gaps in prop::collection::vec(1..50_i64, 1..300), removed in 0..4) {
        let mut blocks = Blocks::new(1, &crate::DiskOptions::new("").limits);
        let mut rows = vec![0];
        for gap in gaps {
            let row = rows[rows.len() - 1] + gap;
            rows.push(row);
            blocks.push(written(row, 0, 10, false));
        }
        for _ in 0..removed {
            blocks.pop();
        }
        for (offset, row) in rows.iter().enumerate().skip(1) {
            let found = blocks.row_before(offset as u64);
            if (offset as u64) < blocks.first() {
                prop_assert_eq!(found, None);
            } else {
                let found = found.unwrap();
                let first = rows.iter().position(|row| *row == found).unwrap();
                prop_assert!(found <= *row && offset - first < 64);
            }
        }
        prop_assert_eq!(blocks.row_before(rows.len() as u64), None);
    }
}
