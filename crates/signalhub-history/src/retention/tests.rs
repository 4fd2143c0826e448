use std::time::Duration;

use signalhub_events::Declared;

use super::*;
use crate::blocks::Written;
use signalhub_events::NameLimits;

const WINDOW: i64 = 1_000;

/// Names with these limits, and this number of events each, one a millisecond, in turn.
fn names(limits: NameLimits, names: &[&str], events: i64, keyed: bool) -> Names {
    let mut all = Names::default();
    for name in names {
        all.create((*name).into(), Declared::Yes, limits);
    }
    for event in 0..events * names.len() as i64 {
        let index = event as usize % names.len();
        all.push(index, Written { row: event, at: event, bytes: 100, keyed });
    }
    all
}

fn limits(events: u64, age: u64) -> NameLimits {
    NameLimits { events, bytes: 1 << 30, age: Duration::from_millis(age) }
}

fn rows(step: &Step) -> Vec<(i64, i64, i64)> {
    step.rows.iter().map(|rows| (rows.number, rows.block.from, rows.block.to)).collect()
}

#[test]
fn a_name_is_trimmed_to_its_limit_when_it_exceeds_it_by_a_tenth() {
    let mut retention = Retention::new(WINDOW, 0, Vec::new());
    let mut all = names(limits(160, 1_000_000), &["a"], 176, false);
    retention.trim_names(&mut all);
    assert!(!retention.is_due());
    let mut all = names(limits(160, 1_000_000), &["a"], 177, false);
    retention.trim_names(&mut all);
    assert_eq!(all.counts().events, 157);
    assert_eq!((all.counts().bytes, all.counts().trimmed_by_events), (15_700, 20));
    let step = retention.step(&all);
    assert_eq!(rows(&step), [(1, 0, 10), (1, 10, 20)]);
    assert_eq!(step.names, BTreeSet::from([(1, 21, 178)]));
    assert!(!retention.is_due());
}

#[test]
fn a_name_is_trimmed_to_its_limit_of_bytes() {
    let mut retention = Retention::new(WINDOW, 0, Vec::new());
    let limits = NameLimits { bytes: 16_000, ..limits(1_000_000, 1_000_000) };
    let mut all = names(limits, &["a"], 177, false);
    retention.trim_names(&mut all);
    assert_eq!((all.counts().bytes, all.counts().trimmed_by_bytes), (15_700, 20));
}

#[test]
fn old_events_are_removed_while_the_clock_does_not_step_back() {
    let mut retention = Retention::new(WINDOW, 0, Vec::new());
    let mut all = names(limits(1_000_000, 160), &["a", "b"], 100, false);
    retention.trim_age(&mut all, 200);
    // A block spans at most a sixteenth of the age, and is removed when its last event is too old.
    let left = all.counts().events;
    assert!((160..=172).contains(&left), "{left}");
    assert_eq!(all.counts().trimmed_by_age, 200 - left);
    let mut step_back = names(limits(1_000_000, 10), &["a"], 100, false);
    retention.trim_age(&mut step_back, 199);
    assert_eq!(step_back.counts().events, 100);
    retention.trim_age(&mut all, 10_000);
    assert_eq!(all.counts().events, 0);
    assert_eq!(all.positions().iter().map(|(_, position)| position.offset()).collect::<Vec<_>>(), [100, 100]);
}

#[test]
fn a_file_from_the_future_is_not_trimmed_by_age() {
    let mut retention = Retention::new(WINDOW, 5_000, Vec::new());
    let mut all = names(limits(1_000_000, 10), &["a"], 100, false);
    retention.trim_age(&mut all, 4_999);
    assert_eq!(all.counts().events, 100);
    retention.trim_age(&mut all, 5_000);
    assert_eq!(all.counts().events, 0);
}

#[test]
fn rows_with_keys_stay_in_the_file_while_the_keys_are_remembered() {
    let mut retention = Retention::new(WINDOW, 0, Vec::new());
    let mut all = names(limits(16, 1_000_000), &["a"], 100, true);
    retention.trim_names(&mut all);
    assert_eq!(all.counts().events, 16);
    assert!(!retention.is_due());
    // Each event is a block; the last of those that were removed was written at 83, and the block ends with the next event.
    retention.trim_age(&mut all, WINDOW + 83);
    assert_eq!(rows(&retention.step(&all)).len(), 83);
    assert!(!retention.is_due());
    retention.trim_age(&mut all, WINDOW + 84);
    assert_eq!(rows(&retention.step(&all)), [(1, 83, 84)]);
}

#[test]
fn the_oldest_events_of_all_names_go_first_and_rows_with_keys_before_them() {
    let mut retention = Retention::new(WINDOW, 0, vec![]);
    let mut all = names(limits(32, 1_000_000), &["a", "b"], 32, true);
    assert!(retention.trim_total(&mut all, 1_000));
    assert_eq!(rows(&retention.step(&all)), [(1, 0, 4), (2, 1, 5), (1, 4, 8), (2, 5, 9), (1, 8, 12)]);
    assert_eq!(all.counts().trimmed_by_total, 10);
    let below = Removed { from: 70, to: 71, events: 1, bytes: 1_000, at: 0, keyed: true };
    let mut retention = Retention::new(WINDOW, 0, vec![(1, below)]);
    assert!(retention.trim_total(&mut all, 1_000));
    assert_eq!(rows(&retention.step(&all)), [(1, 70, 71)]);
    assert_eq!(all.counts().trimmed_by_total, 10);
}

#[test]
fn when_nothing_is_left_the_search_ends() {
    let mut retention = Retention::new(WINDOW, 0, vec![]);
    let mut all = names(limits(32, 1_000_000), &["a"], 10, false);
    assert!(retention.trim_total(&mut all, u64::MAX));
    assert_eq!(all.counts().events, 0);
    retention.step(&all);
    assert!(!retention.trim_total(&mut all, u64::MAX));
}

#[test]
fn a_step_removes_about_two_thousand_rows() {
    let mut retention = Retention::new(WINDOW, 0, Vec::new());
    let mut all = names(limits(1_024, 1_000_000), &["a"], 10_000, false);
    let mut steps = Vec::new();
    loop {
        retention.trim_names(&mut all);
        if !retention.is_due() {
            break;
        }
        steps.push(retention.step(&all).rows.iter().map(|rows| rows.block.events).sum::<u64>());
    }
    assert_eq!(steps, [2_048, 2_048, 2_048, 2_048, 832]);
}
