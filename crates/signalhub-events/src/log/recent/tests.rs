use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::Organisation;

fn event(name: &str, bytes: usize) -> Arc<Event> {
    Arc::new(Event::new(name.into(), vec![b'x'; bytes]))
}

/// The bytes that an event of this name and payload takes.
fn cost(name: &str, bytes: usize) -> usize {
    name.len() + bytes + BESIDE_CONTENT
}

fn push(recent: &mut Recent, name: &str, offset: u64, bytes: usize, now: Instant) {
    recent.push(&event(name, bytes), offset, Expired::No, || Declared::Yes, now);
}

/// The offsets of a page, its first kept offset, and the offset up to which it goes.
fn offsets(recent: &mut Recent, name: &str, after: u64, most: usize, now: Instant) -> (Vec<u64>, u64, u64) {
    let Page { events, first, through } = recent.read(&name.into(), after, most, now);
    (events.into_iter().map(|(offset, _)| offset).collect(), first, through)
}

fn bounds(recent: &mut Recent, name: &str, now: Instant) -> Option<(u64, u64)> {
    recent.bounds(&name.into(), || Declared::Yes, now)
}

#[tokio::test(start_paused = true)]
async fn each_limit_removes_the_oldest_events_and_keeps_the_position() {
    let now = Instant::now();
    let limits = HistoryLimits::default;
    let each = |each| HistoryLimits { each, ..limits() };
    let check = |limits: HistoryLimits, later: Duration, first: u64, count: fn(&HistoryCounts) -> u64| {
        let mut recent = Recent::new(limits.clone());
        for offset in 1..=4 {
            push(&mut recent, "a", offset, 10, now);
        }
        assert_eq!(bounds(&mut recent, "a", now + later), Some((first, 4)), "{limits:?}");
        let counts = recent.counts();
        assert_eq!((counts.events, count(&counts)), (5 - first, first - 1), "{limits:?}");
        assert_eq!(counts.bytes as usize, (5 - first as usize) * cost("a", 10), "{limits:?}");
    };
    check(limits(), Duration::ZERO, 1, |_| 0);
    check(each(NameLimits { events: 3, ..limits().each }), Duration::ZERO, 2, |counts| counts.trimmed_by_events);
    let bytes = 2 * cost("a", 10);
    check(each(NameLimits { bytes: bytes as u64, ..limits().each }), Duration::ZERO, 3, |counts| {
        counts.trimmed_by_bytes
    });
    check(each(NameLimits { bytes: 0, ..limits().each }), Duration::ZERO, 5, |counts| counts.trimmed_by_bytes);
    check(HistoryLimits { total_bytes: bytes, ..limits() }, Duration::ZERO, 3, |counts| counts.trimmed_by_total);
    let other = NameLimits { events: 2, bytes: bytes as u64, age: Duration::MAX };
    let overrides = HashMap::from([("a".into(), other), ("b".into(), NameLimits { events: 1, ..other })]);
    check(HistoryLimits { overrides, ..limits() }, limits().each.age * 2, 3, |counts| counts.trimmed_by_events);
    check(limits(), limits().each.age, 1, |_| 0);
    check(limits(), limits().each.age + Duration::from_nanos(1), 5, |counts| counts.trimmed_by_age);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_events_of_all_names_go_first() {
    let now = Instant::now();
    let mut recent = Recent::new(HistoryLimits { total_bytes: 3 * cost("a", 10), ..HistoryLimits::default() });
    for (name, offset) in [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("b", 3)] {
        push(&mut recent, name, offset, 10, now);
    }
    assert_eq!(bounds(&mut recent, "a", now), Some((2, 2)));
    assert_eq!(bounds(&mut recent, "b", now), Some((2, 3)));
}

#[tokio::test(start_paused = true)]
async fn an_expired_event_takes_an_offset_and_is_not_kept() {
    let now = Instant::now();
    let mut recent = Recent::new(HistoryLimits::default());
    push(&mut recent, "a", 1, 0, now);
    recent.push(&event("a", 0), 2, Expired::Yes, || Declared::Yes, now);
    assert_eq!(offsets(&mut recent, "a", 0, 10, now), (vec![1], 1, 2));
    push(&mut recent, "a", 3, 0, now);
    assert_eq!(offsets(&mut recent, "a", 0, 2, now), (vec![1, 3], 1, 3));
    assert_eq!(offsets(&mut recent, "a", 0, 1, now), (vec![1], 1, 1));
    assert_eq!(offsets(&mut recent, "a", 3, 1, now), (vec![], 1, 3));
}

#[tokio::test(start_paused = true)]
async fn undeclared_names_beyond_the_limit_have_no_history() {
    let now = Instant::now();
    let mut recent = Recent::new(HistoryLimits { names: 2, ..HistoryLimits::default() });
    let undeclared = || Declared::No;
    assert_eq!(recent.bounds(&"a".into(), undeclared, now), Some((1, 0)), "a name that may get one misses nothing");
    for name in ["a", "b", "c", "c", "a"] {
        recent.push(&event(name, 0), 1, Expired::No, undeclared, now);
    }
    push(&mut recent, "declared", 1, 0, now);
    let counts = recent.counts();
    assert_eq!((counts.names, counts.events, counts.unrecorded), (3, 4, 2));
    assert_eq!(recent.bounds(&"c".into(), undeclared, now), None);
    assert_eq!(recent.bounds(&"declared".into(), undeclared, now), Some((1, 1)));
}

#[test]
fn all_content_of_an_event_counts() {
    let mut event = Event::new("name".into(), "12345").with_resource("resource".into()).with_sender("{}".into());
    event.organisation = Some(Organisation::new("organisation"));
    assert_eq!(event.size(), 4 + 5 + 8 + 2 + 12);
}

/// An event or a read, as the model and the ring see it.
#[derive(Debug, Clone)]
enum Action {
    Push { name: usize, bytes: usize, expired: bool },
    Wait(u64),
    Read { name: usize, back: u64, most: usize },
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let push = (0..3_usize, 0..40_usize, prop::bool::weighted(0.1)).prop_map(|(name, bytes, expired)| Action::Push {
        name,
        bytes,
        expired,
    });
    let read = (0..3_usize, 0..8_u64, 1..5_usize).prop_map(|(name, back, most)| Action::Read { name, back, most });
    prop::collection::vec(prop_oneof![4 => push, 1 => (0..4_u64).prop_map(Action::Wait), 2 => read], 0..120)
}

const NAMES: [&str; 3] = ["a", "b", "c"];

proptest! {
    /// What is kept is always the end of everything that was published, within the limits.
    #[test]
    fn what_is_kept_is_the_end_of_what_was_published(
        actions in actions(),
        events in 1..8_usize,
        bytes in 0..2_000_usize,
        total in 0..4_000_usize,
    ) {
        let age = Duration::from_secs(5);
        let mut recent = Recent::new(HistoryLimits {
            each: NameLimits { events: events as u64, bytes: bytes as u64, age },
            overrides: HashMap::new(),
            total_bytes: total,
            names: 0,
        });
        let mut now = Instant::now();
        let mut published: HashMap<usize, Vec<Option<Arc<Event>>>> = HashMap::new();
        for action in actions {
            match action {
                Action::Wait(seconds) => now += Duration::from_secs(seconds),
                Action::Push { name, bytes, expired } => {
                    let event = event(NAMES[name], bytes);
                    let all = published.entry(name).or_default();
                    all.push((!expired).then(|| Arc::clone(&event)));
                    let expired = if expired { Expired::Yes } else { Expired::No };
                    recent.push(&event, all.len() as u64, expired, || Declared::Yes, now);
                }
                Action::Read { name, back, most } => {
                    let all = published.entry(name).or_default();
                    let after = (all.len() as u64).saturating_sub(back);
                    let Some((first, top)) = bounds(&mut recent, NAMES[name], now) else { panic!("it is declared") };
                    prop_assert_eq!(top, all.len() as u64);
                    let page = recent.read(&NAMES[name].into(), after, most, now);
                    let kept = (1..).zip(&*all).filter(|(offset, _)| *offset >= first && *offset > after);
                    let kept = kept.filter_map(|(offset, event)| Some((offset, Arc::clone(event.as_ref()?))));
                    prop_assert_eq!(page.events, kept.take(most).collect::<Vec<_>>());
                }
            }
            let counts = recent.counts();
            prop_assert!(counts.bytes <= total as u64);
            prop_assert_eq!(counts.events, recent.rings.iter().map(|ring| ring.entries.len() as u64).sum::<u64>());
            prop_assert_eq!(recent.oldest.len(), recent.rings.iter().filter(|ring| !ring.entries.is_empty()).count());
            for ring in &recent.rings {
                prop_assert!(ring.entries.len() <= events && ring.bytes <= bytes);
            }
        }
    }
}
