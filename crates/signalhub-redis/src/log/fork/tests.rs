use signalhub_events::EventId;

use super::*;
use crate::log::write::Attempt;

const EPOCH: Epoch = Epoch::new(1);

fn write(serial: u64) -> WriteId {
    WriteId { event: EventId::new(Epoch::new(7), serial), attempt: Attempt::FIRST }
}

fn cursor(offset: u64) -> Cursor {
    Cursor::at(Position::new(EPOCH, offset), (offset > 0).then(|| write(offset)))
}

fn seen(top: u64, at_cursor: Option<u64>, first: Option<u64>) -> Seen {
    Seen { epoch: Some(EPOCH), top, at_cursor: at_cursor.map(write), first }
}

#[test]
fn the_same_past_goes_on() {
    for (cursor, seen) in [
        (cursor(100), seen(100, Some(100), Some(1))),
        (cursor(100), seen(120, Some(100), Some(50))),
        // All is removed, and the latest one is the one that was read.
        (cursor(100), seen(100, Some(100), None)),
        (cursor(0), seen(5, None, Some(1))),
        (cursor(0), seen(0, None, None)),
        // It was removed before this node began.
        (Cursor { tail: None, ..cursor(100) }, seen(100, Some(3), Some(1))),
    ] {
        assert_eq!(cursor.judge(&seen), Verdict::Same, "{cursor:?} {seen:?}");
    }
}

#[test]
fn less_or_other_events_are_another_past() {
    let gone = Seen { epoch: None, ..seen(0, None, None) };
    for (cursor, seen) in [
        (cursor(100), gone),
        (cursor(0), gone),
        (cursor(100), seen(91, None, Some(1))),
        (cursor(100), seen(0, None, None)),
        // It has grown beyond the cursor again, with other events.
        (cursor(100), seen(105, Some(777), Some(1))),
        (cursor(100), seen(105, None, Some(91))),
        (cursor(100), seen(100, Some(777), None)),
    ] {
        assert_eq!(cursor.judge(&seen), Verdict::Forked, "{cursor:?} {seen:?}");
    }
}

#[test]
fn an_event_that_two_attempts_have_written_is_in_two_pasts() {
    let repeated = WriteId { attempt: Attempt::FIRST.next(), ..write(100) };
    let seen = Seen { at_cursor: Some(repeated), ..seen(120, None, Some(1)) };
    assert_eq!(cursor(100).judge(&seen), Verdict::Forked);
    assert_eq!(Cursor { tail: Some(repeated), ..cursor(100) }.judge(&seen), Verdict::Same);
}

#[test]
fn events_that_were_removed_before_they_were_read_are_a_gap() {
    assert_eq!(cursor(100).judge(&seen(500, None, Some(301))), Verdict::Trimmed(300));
    assert_eq!(cursor(100).judge(&seen(500, None, None)), Verdict::Trimmed(500));
    assert_eq!(cursor(0).judge(&seen(9, None, Some(4))), Verdict::Trimmed(3));
    // Nothing is missing, but the event at the cursor cannot be compared.
    assert_eq!(cursor(100).judge(&seen(120, None, Some(101))), Verdict::Trimmed(100));
}

#[test]
fn a_new_epoch_of_another_node_counts_before_all_else() {
    let other = Epoch::new(2);
    assert_eq!(cursor(100).judge(&Seen { epoch: Some(other), ..seen(3, None, Some(1)) }), Verdict::NewEpoch(other));
    let unknown = Cursor::default();
    assert_eq!(unknown.judge(&Seen::default()), Verdict::Absent);
    assert_eq!(unknown.judge(&Seen { first: Some(1), ..Seen::default() }), Verdict::Forked);
    assert_eq!(unknown.judge(&seen(3, None, Some(1))), Verdict::Begun(EPOCH));
}

#[test]
fn an_epoch_that_was_left_does_not_come_back() {
    let mut left = LeftEpochs::default();
    left.leave(EPOCH);
    assert_eq!(left.correct(Verdict::NewEpoch(EPOCH)), Verdict::Forked);
    assert_eq!(left.correct(Verdict::NewEpoch(Epoch::new(2))), Verdict::NewEpoch(Epoch::new(2)));
    assert_eq!(left.correct(Verdict::Same), Verdict::Same);
    (10..10 + REMEMBERED as u64).for_each(|epoch| left.leave(Epoch::new(epoch)));
    assert_eq!(left.0.len(), REMEMBERED);
}

#[test]
fn a_node_that_starts_stands_nowhere_in_an_epoch_that_began_while_it_looked() {
    let write = Some(WriteId { event: EventId::new(Epoch::new(9), 3), attempt: Attempt::FIRST });
    let seen = |epoch, top| Seen { epoch: Some(Epoch::new(epoch)), top, at_cursor: write, first: Some(1) };
    let standing = Cursor { epoch: Some(Epoch::new(1)), offset: 40, tail: write };
    assert_eq!(Cursor::start(&seen(1, 40), &seen(1, 40)), standing);
    assert_eq!(Cursor::start(&seen(1, 40), &seen(1, 45)), standing, "more was published meanwhile");
    for second in [seen(2, 1), seen(2, 40), seen(1, 39), Seen::default()] {
        assert_eq!(Cursor::start(&seen(1, 40), &second), Cursor::default(), "{second:?}");
    }
    assert_eq!(Cursor::start(&Seen::default(), &seen(1, 1)), Cursor::default());
}
