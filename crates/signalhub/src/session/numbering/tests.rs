use super::*;

/// What happens to the numbers of one client's messages.
enum Step {
    /// A message comes.
    Message(Novelty),
    /// A new message comes that is left out of the confirmations.
    LeftOut,
    /// The client says which one comes next.
    Sequence(i64, Result<(), Gap>),
    /// It is time to confirm.
    Ack(Option<i64>),
}

use Novelty::{New, Repeated};
use Step::{Ack, LeftOut, Message, Sequence};

fn check(steps: &[Step]) {
    let mut numbering = Numbering::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Message(novelty) => assert_eq!(numbering.on_message(), *novelty, "step {at}"),
            LeftOut => {
                assert_eq!(numbering.on_message(), New, "step {at}");
                numbering.leave_out();
            }
            Sequence(next, result) => assert_eq!(numbering.on_sequence(SequenceId(*next)), *result, "step {at}"),
            Ack(latest) => assert_eq!(numbering.poll_ack(), latest.map(SequenceId), "step {at}"),
        }
    }
}

#[test]
fn what_came_is_confirmed_once() {
    check(&[Ack(None), Message(New), Message(New), Ack(Some(2)), Ack(None), Message(New), Ack(Some(3))]);
}

#[test]
fn a_repeated_message_is_told_from_a_new_one_and_confirmed_again() {
    check(&[
        Message(New),
        Message(New),
        Ack(Some(2)),
        Sequence(1, Ok(())),
        Message(Repeated),
        Message(Repeated),
        Ack(Some(2)),
        Message(New),
        Ack(Some(3)),
    ]);
}

#[test]
fn a_client_may_go_on_behind_what_it_has_repeated_in_part() {
    check(&[
        Message(New),
        Message(New),
        Message(New),
        Sequence(1, Ok(())),
        Message(Repeated),
        // The transport was lost again; meanwhile the client has learnt that all three are here.
        Sequence(4, Ok(())),
        Message(New),
    ]);
}

#[test]
fn messages_that_never_came_cannot_be_skipped() {
    check(&[Sequence(1, Ok(())), Message(New), Sequence(3, Err(Gap)), Sequence(i64::MAX, Err(Gap)), Message(New)]);
}

#[test]
fn a_number_from_before_the_first_message_repeats_at_most_what_there_was() {
    check(&[
        Message(New),
        Sequence(i64::MIN, Ok(())),
        Message(Repeated),
        Ack(Some(1)),
        Sequence(2, Ok(())),
        Message(New),
    ]);
}

#[test]
fn what_is_left_out_is_not_confirmed() {
    check(&[LeftOut, Ack(None), Message(New), Ack(Some(1)), LeftOut, LeftOut, Ack(None), Message(New), Ack(Some(2))]);
}

#[test]
fn what_is_left_out_keeps_its_number_for_the_client() {
    // The client repeats all three; the item in the middle had no stream, and the call behind it ran already.
    check(&[
        Message(New),
        LeftOut,
        Message(New),
        Ack(Some(2)),
        Sequence(1, Ok(())),
        Message(Repeated),
        Message(Repeated),
        Message(Repeated),
        Ack(Some(2)),
        Message(New),
        Ack(Some(3)),
    ]);
    // The client goes on behind what it has learnt to be here, counted its way.
    check(&[LeftOut, Message(New), Sequence(3, Ok(())), Message(New), Ack(Some(2))]);
}
