//! Family 6: text that is not UTF-8 is refused at the first byte that cannot be valid.

use super::*;

#[test]
fn valid_text_is_received_however_it_is_fragmented() {
    let row = |message: &str| {
        check(&[frame(0x81, message.as_bytes())], &[text(message)], None);
        for size in 1..=4 {
            let mut frames = vec![frame(0x01, b"")];
            frames.extend(message.as_bytes().chunks(size).map(|piece| frame(0x00, piece)));
            frames.push(frame(0x80, b""));
            check(&frames, &[text(message)], None);
        }
    };
    row("");
    row("Hello-µ@ßöäüàá-UTF-8!!");
    row("κόσμε");
    // The first and the last character of each length, and the neighbours of the surrogates.
    row("\0\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}");
    row("\u{d7ff}\u{e000}\u{fffd}");
    // Noncharacters are characters enough.
    row("\u{fdd0}\u{fdef}\u{fffe}\u{ffff}\u{1fffe}\u{1ffff}\u{ffffe}\u{fffff}\u{10fffe}\u{10ffff}");
}

/// Each row is a text in two parts: what may still become valid, and from the byte on that ruins it.
const RUINED: &[(&[u8], &[u8])] = &[
    // Continuations of nothing.
    (b"", b"\x80"),
    (b"", b"\xbf"),
    (b"", b"\x80\xbf\x80\xbf"),
    (b"abc", b"\x80def"),
    ("κ".as_bytes(), b"\xba"),
    // Bytes that never occur: overlong beginnings, beginnings beyond Unicode, and the rest.
    (b"", b"\xc0\xaf"),
    (b"", b"\xc0\x80"),
    (b"", b"\xc1\xbf"),
    (b"", b"\xf5\x80\x80\x80"),
    (b"", b"\xf7\xbf\xbf\xbf"),
    (b"", b"\xf8\x88\x80\x80\x80"),
    (b"", b"\xfb\xbf\xbf\xbf\xbf"),
    (b"", b"\xfc\x84\x80\x80\x80\x80"),
    (b"", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    (b"", b"\xfe"),
    (b"", b"\xff"),
    (b"", b"\xfe\xfe\xff\xff"),
    // Characters of two, three and four bytes that break off.
    (b"\xc2", b" "),
    (b"\xdf", b"\xc0"),
    (b"\xe0\xa0", b" "),
    (b"\xef\xbf", b"\xef"),
    (b"\xf0\x90\x80", b" "),
    (b"\xf4\x8f\xbf", b"\xf0"),
    (b"\xe1", b"a"),
    (b"\xf1\x80", b"a"),
    // Overlong forms of three and four bytes.
    (b"\xe0", b"\x80\xaf"),
    (b"\xe0", b"\x9f\xbf"),
    (b"\xf0", b"\x80\x80\xaf"),
    (b"\xf0", b"\x8f\xbf\xbf"),
    // Surrogates, alone and in pairs.
    (b"\xed", b"\xa0\x80"),
    (b"\xed", b"\xad\xbf"),
    (b"\xed", b"\xae\x80"),
    (b"\xed", b"\xbf\xbf"),
    (b"\xed", b"\xa0\x80\xed\xb0\x80"),
    (b"\xed", b"\xaf\xbf\xed\xbf\xbf"),
    // Beyond U+10FFFF.
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4", b"\x90\x80\x80edited"),
    (b"\xf4", b"\xbf\xbf\xbf"),
];

#[test]
fn invalid_text_is_refused() {
    for (healthy, ruin) in RUINED {
        let whole = [healthy, *ruin].concat();
        check(&[frame(0x81, &whole)], &[], Some(Violation::Text));
        check(&[frame(0x01, healthy), frame(0x80, ruin)], &[], Some(Violation::Text));
        check(&[frame(0x01, healthy), frame(0x89, b""), frame(0x00, ruin)], &[ping(b"")], Some(Violation::Text));
        let bytes = Received::Message(MessageKind::Binary, whole.clone());
        check(&[frame(0x02, healthy), frame(0x80, ruin)], &[bytes], None);
    }
}

#[test]
fn invalid_text_is_refused_by_the_byte_that_ruins_it() {
    for (healthy, ruin) in RUINED {
        // The frame promises more, so that only the bytes themselves can be the reason.
        let length = [126, 1, 0];
        let begun = frame_with_length(0x81, &length, healthy);
        let received =
            if healthy.is_empty() { vec![] } else { vec![Received::Begun(MessageKind::Text, healthy.to_vec())] };
        check(&[begun], &received, None);
        let ruined = frame_with_length(0x81, &length, &[healthy, &ruin[..1]].concat());
        check(&[ruined], &[], Some(Violation::Text));
        // The same where the ruin opens the next fragment.
        check(&[frame(0x01, healthy), frame_with_length(0x00, &length, &ruin[..1])], &[], Some(Violation::Text));
    }
}

#[test]
fn text_that_ends_within_a_character_is_refused() {
    for character in ["\u{80}", "\u{7ff}", "\u{800}", "\u{fffd}", "\u{10000}", "\u{10ffff}"] {
        let bytes = character.as_bytes();
        for length in 1..bytes.len() {
            let cut = [b"abc", &bytes[..length]].concat();
            check(&[frame(0x81, &cut)], &[], Some(Violation::Text));
            check(&[frame(0x01, &cut), frame(0x80, b"")], &[], Some(Violation::Text));
        }
    }
}

#[test]
fn messages_do_not_inherit_each_others_characters() {
    let frames = [frame(0x81, "é".as_bytes()), frame(0x82, b"\xc3"), frame(0x81, b"\xa9")];
    check(&frames, &[text("é"), Received::Message(MessageKind::Binary, vec![0xc3])], Some(Violation::Text));
}
