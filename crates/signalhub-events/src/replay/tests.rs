use super::*;
use crate::position::Epoch;

const EPOCH: Epoch = Epoch::new(7);

fn at(offset: u64) -> Position {
    Position::new(EPOCH, offset)
}

fn bounds(first: Option<u64>, top: u64) -> Bounds {
    Bounds { epoch: EPOCH, first, top }
}

fn limits(matching: usize) -> ReplayLimits {
    ReplayLimits { matching, scanned: 1_000 }
}

fn page(offsets: impl IntoIterator<Item = u64>, first: u64, through: u64) -> Page {
    let event = |offset: u64| Arc::new(Event::new("a".into(), if offset.is_multiple_of(2) { "even" } else { "odd" }));
    Page { events: offsets.into_iter().map(|offset| (offset, event(offset))).collect(), first, through }
}

/// Reads the next steps that send something.
fn sent(replay: &mut Replay) -> Vec<u64> {
    let mut offsets = Vec::new();
    while let State::Sending { page, .. } = &replay.state
        && !page.is_empty()
        && let Step::Send(position, _) = replay.poll()
    {
        offsets.push(position.offset());
    }
    offsets
}

fn live(replay: &mut Replay) -> GoLive {
    match replay.poll() {
        Step::GoLive(when) => when,
        step => panic!("expected to go live, found {step:?}"),
    }
}

fn read(replay: &mut Replay) -> u64 {
    match replay.poll() {
        Step::Read { after, .. } => after.offset(),
        step => panic!("expected to read, found {step:?}"),
    }
}

const ALL: fn(&Event) -> bool = |_| true;

#[test]
fn a_position_that_the_history_does_not_reach_is_a_gap_at_once() {
    let check = |since: Position, bounds: Bounds, reason: Option<GapReason>| {
        let mut replay = Replay::new(Since::Position(since), bounds, limits(10));
        assert_eq!(replay.gap().map(|gap| gap.reason), reason, "{since} in {bounds:?}");
        match reason {
            Some(_) => {
                assert_eq!(replay.gap().unwrap().from, since);
                assert_eq!(live(&mut replay), GoLive::Now);
            }
            None => assert_eq!(read(&mut replay), since.offset()),
        }
    };
    check(at(5), bounds(Some(6), 9), None);
    check(at(4), bounds(Some(6), 9), Some(GapReason::Trimmed));
    check(at(9), bounds(Some(10), 9), None);
    check(at(8), bounds(Some(10), 9), Some(GapReason::Trimmed));
    check(at(0), bounds(Some(1), 0), None);
    check(at(1), bounds(Some(1), 0), Some(GapReason::Future));
    check(at(u64::MAX), bounds(Some(1), 9), Some(GapReason::Future));
    check(Position::new(Epoch::new(8), 5), bounds(Some(1), 9), Some(GapReason::Epoch));
    check(at(9), bounds(None, 9), Some(GapReason::Off));
}

#[test]
fn a_gap_names_the_first_event_that_is_kept() {
    let gap = |bounds| Replay::new(Since::Position(at(1)), bounds, limits(10)).gap().unwrap();
    assert_eq!(gap(bounds(Some(6), 9)), Gap { from: at(1), first: Some(at(6)), reason: GapReason::Trimmed });
    assert_eq!(gap(bounds(None, 9)), Gap { from: at(1), first: None, reason: GapReason::Off });
}

#[test]
fn from_now_on_and_all_that_is_kept_are_never_a_gap() {
    for bounds in [bounds(None, 9), bounds(Some(5), 9), bounds(Some(1), 0)] {
        let mut replay = Replay::new(Since::Now, bounds, limits(1));
        assert_eq!((replay.gap(), live(&mut replay)), (None, GoLive::Now));
    }
    assert_eq!(live(&mut Replay::new(Since::Earliest, bounds(None, 9), limits(1))), GoLive::Now);
    let mut replay = Replay::new(Since::Earliest, bounds(Some(5), 9), limits(1));
    assert_eq!(read(&mut replay), 4);
    // Meanwhile two of them were removed.
    replay.on_page(page(7..=9, 7, 9), ALL);
    assert_eq!(sent(&mut replay), [7, 8, 9]);
    assert_eq!((replay.gap(), live(&mut replay)), (None, GoLive::Behind { after: at(9), most: 0 }));
}

#[test]
fn what_matches_is_sent_in_order_until_nothing_is_newer() {
    let mut replay = Replay::new(Since::Position(at(3)), bounds(Some(1), 6), limits(10));
    assert_eq!(read(&mut replay), 3);
    replay.on_page(page(4..=7, 1, 7), |event| event.payload == "even");
    assert_eq!(sent(&mut replay), [4, 6]);
    assert_eq!(live(&mut replay), GoLive::Behind { after: at(7), most: 0 });
    replay.on_behind();
    assert_eq!(read(&mut replay), 7);
    replay.on_page(page(8..=8, 1, 9), ALL);
    assert_eq!(sent(&mut replay), [8]);
    assert_eq!(live(&mut replay), GoLive::Behind { after: at(9), most: 0 });
    assert_eq!((replay.sent(), replay.gap()), (3, None));
}

#[test]
fn a_full_page_is_followed_by_the_next() {
    let mut replay = Replay::new(Since::Position(at(0)), bounds(Some(1), 300), limits(1000));
    read(&mut replay);
    let full = PAGE as u64;
    replay.on_page(page(1..=full, 1, full), |event| event.payload == "odd");
    assert_eq!(sent(&mut replay).len(), PAGE / 2);
    assert_eq!(read(&mut replay), full);
    replay.on_page(page(full + 1..=300, 1, 300), ALL);
    assert_eq!(sent(&mut replay).last(), Some(&300));
}

#[test]
fn a_pause_drops_what_was_read_and_reads_on_behind_what_was_sent() {
    let mut replay = Replay::new(Since::Position(at(0)), bounds(Some(1), 3), limits(10));
    replay.on_page(page(1..=3, 1, 3), ALL);
    assert!(matches!(replay.poll(), Step::Send(position, _) if position == at(1)));
    replay.pause();
    assert_eq!(read(&mut replay), 1);
    replay.on_page(page(2..=3, 1, 3), ALL);
    assert_eq!((sent(&mut replay), replay.sent()), (vec![2, 3], 3));
    replay.pause();
    assert_eq!(live(&mut replay), GoLive::Behind { after: at(3), most: 0 }, "everything was sent");
}

#[test]
fn events_that_are_removed_before_they_are_sent_are_a_gap() {
    let mut replay = Replay::new(Since::Position(at(0)), bounds(Some(1), 2), limits(10));
    replay.on_page(page(1..=2, 1, 2), ALL);
    assert_eq!(sent(&mut replay), [1, 2]);
    live(&mut replay);
    replay.on_behind();
    replay.on_page(page(5..=9, 5, 9), ALL);
    assert_eq!(replay.gap(), Some(Gap { from: at(2), first: Some(at(5)), reason: GapReason::Trimmed }));
    assert_eq!((live(&mut replay), replay.sent()), (GoLive::Now, 2));
}

#[test]
fn more_matching_events_than_the_limit_are_a_gap_and_others_do_not_count() {
    let full = PAGE as u64;
    let check = |matches: fn(&Event) -> bool, expected: Option<GapReason>| {
        let mut replay = Replay::new(Since::Position(at(0)), bounds(Some(1), 300), limits(150));
        assert_eq!(read(&mut replay), 0);
        replay.on_page(page(1..=full, 1, full), matches);
        if replay.gap().is_none() {
            assert_eq!(read(&mut replay), full);
            replay.on_page(page(full + 1..=300, 1, 300), matches);
        }
        assert_eq!(replay.gap().map(|gap| gap.reason), expected);
        if expected.is_none() {
            assert_eq!(read(&mut replay), 0, "it is only counted so far");
        }
        assert_eq!(replay.sent(), 0);
    };
    check(ALL, Some(GapReason::Limit));
    check(|event| event.payload == "odd", None);
    check(|_| false, None);
}

#[test]
fn after_many_attempts_the_last_events_are_sent_while_publishers_wait() {
    let mut replay = Replay::new(Since::Position(at(0)), bounds(Some(1), 0), limits(10));
    for offset in 0..u64::from(ATTEMPTS) {
        replay.on_page(page([offset + 1], 1, offset + 1), ALL);
        assert_eq!(sent(&mut replay), [offset + 1]);
        assert_eq!(live(&mut replay), GoLive::Behind { after: at(offset + 1), most: 0 });
        replay.on_behind();
    }
    let last = u64::from(ATTEMPTS) + 1;
    replay.on_page(page([last], 1, last), ALL);
    sent(&mut replay);
    assert_eq!(live(&mut replay), GoLive::Behind { after: at(last), most: LAST });
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    for reason in GapReason::ALL {
        let namesakes = GapReason::ALL.into_iter().filter(|other| other.as_str() == reason.as_str());
        assert_eq!(namesakes.count(), 1);
        assert_eq!(GapReason::ALL[reason as usize], reason);
    }
}

#[test]
fn a_page_of_few_large_events_is_followed_by_the_next_one() {
    let mut replay = Replay::new(Since::Position(at(0)), bounds(Some(1), 20), limits(10));
    assert_eq!(read(&mut replay), 0);
    replay.on_page(page(1..=8, 1, 8), ALL);
    assert_eq!(read(&mut replay), 8, "it goes on counting");
    replay.on_page(page(9..=16, 1, 16), ALL);
    assert_eq!(replay.gap().map(|gap| gap.reason), Some(GapReason::Limit));
    let mut replay = Replay::new(Since::Earliest, bounds(Some(1), 20), limits(10));
    read(&mut replay);
    replay.on_page(page(1..=8, 1, 8), ALL);
    assert_eq!(sent(&mut replay).len(), 8);
    assert_eq!(read(&mut replay), 8, "it does not try to go live");
    replay.on_page(page([], 1, 8), ALL);
    assert_eq!(live(&mut replay), GoLive::Behind { after: at(8), most: 0 });
}
