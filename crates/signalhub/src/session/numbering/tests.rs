use super::*;

/// What happens to the numbers of one client's messages.
enum Step {
    /// A message arrives.
    Message(Novelty),
    /// A new message arrives that is left out of the acknowledgements.
    LeftOut,
    /// A Sequence message sets the number of the next message.
    Sequence(i64, Result<(), Gap>),
    /// An acknowledgement is asked for.
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
fn a_message_is_acknowledged_once() {
    check(&[Ack(None), Message(New), Message(New), Ack(Some(2)), Ack(None), Message(New), Ack(Some(3))]);
}

#[test]
fn a_repeated_message_is_recognised_and_acknowledged_again() {
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
fn a_client_may_skip_messages_that_it_has_not_repeated_but_that_were_received() {
    check(&[
        Message(New),
        Message(New),
        Message(New),
        Sequence(1, Ok(())),
        Message(Repeated),
        // The transport was lost again; meanwhile the client was told that all three were received.
        Sequence(4, Ok(())),
        Message(New),
    ]);
}

#[test]
fn messages_that_were_never_received_cannot_be_skipped() {
    check(&[Sequence(1, Ok(())), Message(New), Sequence(3, Err(Gap)), Sequence(i64::MAX, Err(Gap)), Message(New)]);
}

#[test]
fn a_number_before_the_first_message_repeats_only_received_messages() {
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
fn a_message_that_is_left_out_is_not_acknowledged() {
    check(&[LeftOut, Ack(None), Message(New), Ack(Some(1)), LeftOut, LeftOut, Ack(None), Message(New), Ack(Some(2))]);
}

#[test]
fn a_message_that_is_left_out_still_has_a_number_of_the_client() {
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
    // The client continues after the messages that were acknowledged, with its own numbers.
    check(&[LeftOut, Message(New), Sequence(3, Ok(())), Message(New), Ack(Some(2))]);
}
