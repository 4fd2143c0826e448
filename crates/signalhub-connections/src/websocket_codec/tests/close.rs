//! Family 7: the closing handshake, its codes and reasons.

use super::*;

/// Builds the body of a Close frame.
fn body(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

#[test]
fn closes_are_received() {
    let row = |payload: &[u8], close: Option<(u16, &str)>| {
        let close = close.map(|(code, reason)| (code, reason.to_owned()));
        check(&[frame(0x88, payload)], &[Received::Close(close)], None);
    };
    row(b"", None);
    row(&body(1000, b""), Some((1000, "")));
    row(&body(1000, b"bye"), Some((1000, "bye")));
    row(&body(4001, "κόσμε".as_bytes()), Some((4001, "κόσμε")));
    row(&body(1000, &[b'*'; 123]), Some((1000, &"*".repeat(123))));
}

#[test]
fn nothing_is_received_after_a_close() {
    for after in [frame(0x88, b""), frame(0x89, b""), frame(0x81, b"late"), frame(0x83, b""), vec![0xff; 20]] {
        check(&[frame(0x81, b"hi"), frame(0x88, b""), after], &[text("hi"), Received::Close(None)], None);
    }
}

#[test]
fn close_codes_that_may_be_sent_are_accepted() {
    let registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    for code in registered.into_iter().chain([3000, 3999, 4000, 4999]) {
        check(&[frame(0x88, &body(code, b""))], &[Received::Close(Some((code, String::new())))], None);
    }
}

#[test]
fn close_codes_that_must_not_be_sent_are_refused() {
    let mut codes = vec![0, 1, 999, 1004, 1005, 1006, 1015, 5000, 5001, 65_535];
    codes.extend(1016..=2999);
    for code in codes {
        assert_eq!(decode([&frame(0x88, &body(code, b"why"))[..]]), (vec![], Some(Violation::CloseCode(code))));
    }
}

#[test]
fn bad_close_bodies_are_refused() {
    check(&[frame(0x88, &[3])], &[], Some(Violation::CloseBody));
    check(&[frame(0x88, &body(1000, b"\xce\xba\xed\xa0\x80"))], &[], Some(Violation::CloseReason));
    check(&[frame(0x88, &body(1000, b"half \xce"))], &[], Some(Violation::CloseReason));
}

#[test]
fn violations_name_the_close_code() {
    for violation in [Violation::Text, Violation::CloseReason] {
        assert_eq!(violation.close_code(), 1007, "{violation}");
    }
    for violation in [
        Violation::ReservedBit,
        Violation::ReservedOpcode(3),
        Violation::Unmasked,
        Violation::FragmentedControl,
        Violation::LongControl,
        Violation::Length,
        Violation::UnexpectedContinuation,
        Violation::ExpectedContinuation,
        Violation::CloseBody,
        Violation::CloseCode(1005),
    ] {
        assert_eq!(violation.close_code(), 1002, "{violation}");
    }
}
