use std::ops::Range;

use signalhub_events::{Declared, Durability, EventName, Log};

use super::*;
use crate::testing::*;

const NONE: Range<u64> = 0..0;

#[tokio::test]
async fn a_page_has_what_was_asked_for() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    for _ in 0..100 {
        append_some(&log, "a", 1).await;
        append_some(&log, "b", 3).await;
    }
    let check = async |after, through, most, expected: Range<u64>| {
        let page = log.read(ReadRange::new("a".into(), after, through, most)).await.unwrap();
        let offsets: Vec<_> = page.events.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, expected.clone().collect::<Vec<_>>(), "{after} {through} {most}");
        assert_eq!(page.through, if expected.is_empty() { after } else { expected.end - 1 });
        assert_eq!(page.first, 1);
        assert!(page.events.iter().all(|(_, event)| event.name == EventName::from("a")));
    };
    check(0, 100, 1_000, 1..101).await;
    check(0, u64::MAX, 10, 1..11).await;
    check(64, 70, 10, 65..71).await;
    check(99, 100, 10, 100..101).await;
    check(100, 100, 10, NONE).await;
    check(u64::MAX, u64::MAX, 10, NONE).await;
    check(50, 40, 10, NONE).await;
    check(0, 100, 0, NONE).await;
    let none = log.read(ReadRange::new("none".into(), 7, 9, 10)).await.unwrap();
    assert_eq!(none, Page { events: Vec::new(), first: 8, through: 7 });
}

#[tokio::test]
async fn a_page_ends_after_a_mebibyte() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    for serial in 0..5 {
        append(&log, event("a", serial, &"x".repeat(400_000)), None, Durability::Written).await.unwrap();
    }
    let page = read(&log, "a", 0, 100).await;
    assert_eq!((page.events.len(), page.through), (3, 3));
    let page = read(&log, "a", page.through, 100).await;
    assert_eq!((page.events.len(), page.through), (2, 5));
}

#[tokio::test]
async fn a_page_behind_which_events_were_removed_tells_where_they_begin() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.limits.events = 10;
    let log = open(options);
    append_some(&log, "a", 100).await;
    let first = log.bounds(&"a".into(), Declared::Yes).unwrap().first.unwrap();
    assert!(first >= 90, "{first}");
    let page = read(&log, "a", 5, 100).await;
    assert_eq!((page.first, page.through, page.events.len() as u64), (first, 100, 101 - first));
}

#[tokio::test]
async fn a_closed_history_gives_no_page() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    append_some(&log, "a", 1).await;
    log.close();
    assert_eq!(log.read(ReadRange::new("a".into(), 0, 10, 10)).await, Err(LogUnavailable));
}

#[tokio::test(start_paused = true)]
async fn readers_that_ask_within_a_second_share_a_page() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    append_some(&log, "a", 100).await;
    let range = |through| ReadRange::new("a".into(), 10, through, 50);
    let is_same = |one: &Page, other: &Page| Arc::ptr_eq(&one.events[0].1, &other.events[0].1);
    let (one, other) = tokio::join!(log.read(range(100)), log.read(range(100)));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(is_same(&one, &other));
    append_some(&log, "a", 1).await;
    assert!(is_same(&one, &log.read(range(101)).await.unwrap()), "the latest event is not in the page");
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert!(!is_same(&one, &log.read(range(101)).await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_ends_early_is_not_shared() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    append_some(&log, "a", 3).await;
    let range = || ReadRange::new("a".into(), 0, 10, 50);
    assert_eq!(log.read(range()).await.unwrap().events.len(), 3);
    append_some(&log, "a", 2).await;
    assert_eq!(log.read(range()).await.unwrap().events.len(), 5);
}
