use super::*;

#[test]
fn binary_messages_are_split_at_their_lengths() {
    fn check(bytes: &[u8], messages: &[&str]) {
        assert_eq!(split_at_lengths(bytes), messages);
    }
    check(&[], &[]);
    check(&[2, 0x91, 6, 1, 0xc0], &["9106", "c0"]);
    check(&[0x81, 0x00, 7, 0], &["07", ""]);
    check(&[3, 1], &["01"]);
    check(&[1, 5, 0x80], &["05", "truncated:010580"]);
    check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1], &["01"]);
    let long = [&[0xac, 2][..], &[1; 300]].concat();
    check(&long, &[&"01".repeat(300)]);
}

fn shown(pings: bool, messages: &[(Kind, &[u8], bool)]) -> (Value, String) {
    let mut seen = Seen::new(pings);
    for (kind, bytes, is_first) in messages {
        seen.message(*kind, bytes, *is_first).unwrap();
    }
    let raw = seen.raw().to_owned();
    (seen.into_values(&Names::default()).into(), raw)
}

#[test]
fn pings_are_left_out_but_raw() {
    let text = "{\"type\":6}\u{1e}{}\u{1e}";
    let messages: [(Kind, &[u8], bool); 2] =
        [(Kind::Text, text.as_bytes(), true), (Kind::Binary, &[2, 0x91, 6], false)];
    let raw = format!("{text}029106");
    assert_eq!(shown(false, &messages), (json!([{"message": {}}]), raw.clone()));
    let all = json!([{"message": {"type": 6}}, {"message": {}}, {"binary": "9106"}]);
    assert_eq!(shown(true, &messages), (all, raw));
}

#[test]
fn only_the_first_binary_message_can_answer_the_handshake() {
    let answer = b"{}\x1e";
    assert_eq!(shown(false, &[(Kind::Binary, answer, true)]), (json!([{"handshake": "{}"}]), String::new()));
    let later = json!([{"binary": "7d1e"}]);
    assert_eq!(shown(false, &[(Kind::Binary, answer, false)]), (later, "7b7d1e".to_owned()));
}

#[test]
fn text_behind_the_last_separator_is_unterminated() {
    let (values, _) = shown(false, &[(Kind::Text, b"1\x1e\x1e{", false), (Kind::Text, b"", false)]);
    assert_eq!(values, json!([{"message": 1}, {"message": ""}, {"unterminated": "{"}]));
}

#[test]
fn bad_utf8_is_an_error() {
    assert!(Seen::new(false).message(Kind::Text, &[0xc3, 0x28], false).is_err());
}
