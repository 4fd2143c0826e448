//! Families 1 to 5: sizes, pings, reserved bits, opcodes, fragmentation.

use super::*;

#[test]
fn messages_of_every_size_are_received() {
    for size in [0, 1, 7, 8, 125, 126, 127, 128, 65_535, 65_536, 200_000] {
        let letters: Vec<u8> = (b'a'..=b'z').cycle().take(size).collect();
        let bytes: Vec<u8> = (0..=255).cycle().take(size).collect();
        check(&[frame(0x81, &letters)], &[Received::Message(MessageKind::Text, letters)], None);
        check(&[frame(0x82, &bytes)], &[Received::Message(MessageKind::Binary, bytes)], None);
    }
}

#[test]
fn lengths_longer_than_need_be_are_accepted() {
    check(&[frame_with_length(0x81, &[126, 0, 2], b"hi")], &[text("hi")], None);
    check(&[frame_with_length(0x81, &[127, 0, 0, 0, 0, 0, 0, 0, 2], b"hi")], &[text("hi")], None);
}

#[test]
fn huge_frames_stream() {
    let huge = frame_with_length(0x82, &[127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], b"begin");
    check(&[huge], &[Received::Begun(MessageKind::Binary, b"begin".to_vec())], None);
}

#[test]
fn lengths_with_their_top_bit_are_refused() {
    for opcode in [0x01, 0x82] {
        let frame = frame_with_length(opcode, &[127, 0x80, 0, 0, 0, 0, 0, 0, 0], b"");
        check(&[frame], &[], Some(Violation::Length));
    }
}

#[test]
fn pings_and_pongs_are_received() {
    let most = [0xfe; 125];
    let row = |payload: &[u8]| {
        check(&[frame(0x89, payload)], &[ping(payload)], None);
        check(&[frame(0x8a, payload)], &[Received::Pong(payload.to_vec())], None);
    };
    row(b"");
    row(b"Hello, world!");
    row(&[0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff]);
    row(&most);
    let ten: Vec<_> = (0..10).map(|number| frame(0x89, &[number])).collect();
    let received: Vec<_> = (0..10).map(|number| ping(&[number])).collect();
    check(&ten, &received, None);
}

#[test]
fn long_control_frames_are_refused() {
    for opcode in [0x88, 0x89, 0x8a] {
        check(&[frame(opcode, &[0; 126])], &[], Some(Violation::LongControl));
        let disguised = frame_with_length(opcode, &[126, 0, 2], b"\x03\xe8");
        check(&[disguised], &[], Some(Violation::LongControl));
    }
}

#[test]
fn reserved_bits_are_refused() {
    for bits in 1..8 {
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a, 0x01, 0x00] {
            let frames = [frame(0x81, b"before"), frame(first | bits << 4, b"x"), frame(0x81, b"after")];
            check(&frames, &[text("before")], Some(Violation::ReservedBit));
        }
    }
}

#[test]
fn reserved_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"x"] {
            let frames = [frame(0x81, b"before"), frame(0x80 | opcode, payload), frame(0x89, b"")];
            check(&frames, &[text("before")], Some(Violation::ReservedOpcode(opcode)));
        }
    }
}

#[test]
fn unmasked_frames_are_refused_by_their_second_byte() {
    for first in [0x81, 0x82, 0x88, 0x89, 0x01] {
        check(&[vec![first, 0x05]], &[], Some(Violation::Unmasked));
    }
}

#[test]
fn fragments_make_one_message() {
    let both = [text("onetwo")];
    check(&[frame(0x01, b"one"), frame(0x80, b"two")], &both, None);
    check(&[frame(0x01, b""), frame(0x00, b"onetwo"), frame(0x00, b""), frame(0x80, b"")], &both, None);
    let bytes = Received::Message(MessageKind::Binary, vec![0xff, 0xfe]);
    check(&[frame(0x02, &[0xff]), frame(0x80, &[0xfe])], &[bytes], None);
    check(&[frame(0x01, b""), frame(0x80, b"")], &[text("")], None);
    check(&[frame(0x01, b"one")], &[Received::Begun(MessageKind::Text, b"one".to_vec())], None);
}

#[test]
fn control_frames_come_between_fragments() {
    let frames = [frame(0x01, b"a"), frame(0x89, b"1"), frame(0x00, b"b"), frame(0x8a, b"2"), frame(0x80, b"c")];
    check(&frames, &[ping(b"1"), Received::Pong(b"2".to_vec()), text("abc")], None);
    let closed = [frame(0x01, b"a"), frame(0x88, b""), frame(0x80, b"b")];
    check(&closed, &[Received::Close(None), Received::Begun(MessageKind::Text, b"a".to_vec())], None);
}

#[test]
fn fragmented_control_frames_are_refused() {
    for opcode in [0x08, 0x09, 0x0a] {
        let frames = [frame(opcode, b"fr"), frame(0x80, b"agment")];
        check(&frames, &[], Some(Violation::FragmentedControl));
    }
}

#[test]
fn continuations_need_a_beginning() {
    for first in [0x80, 0x00] {
        let unexpected = Some(Violation::UnexpectedContinuation);
        check(&[frame(first, b"x")], &[], unexpected);
        check(&[frame(0x81, b"whole"), frame(first, b"x")], &[text("whole")], unexpected);
        check(&[frame(0x01, b"a"), frame(0x80, b"b"), frame(first, b"x")], &[text("ab")], unexpected);
    }
}

#[test]
fn messages_do_not_interleave() {
    for first in [0x81, 0x01, 0x82, 0x02] {
        let frames = [frame(0x01, b"begun"), frame(0x89, b""), frame(first, b"x")];
        check(&frames, &[ping(b"")], Some(Violation::ExpectedContinuation));
    }
}

#[test]
fn nothing_is_received_after_a_violation() {
    let mut decoder = Decoder::new();
    let mut bad = frame(0x83, b"");
    assert_eq!(decoder.decode(&mut bad), Err(Violation::ReservedOpcode(3)));
    let mut good = frame(0x81, b"hi");
    let length = good.len();
    assert_eq!(decoder.decode(&mut good), Ok(Decoded { used: length, event: None }));
}

#[test]
fn a_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 48, "{} bytes", size_of::<Decoder>());
}
