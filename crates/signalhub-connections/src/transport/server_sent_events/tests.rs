use proptest::prelude::*;

use super::*;
use crate::websocket_codec::MessageKind;

fn event_of(messages: &[&str]) -> Bytes {
    let frames: Vec<_> = messages.iter().map(|message| Frame::new(MessageKind::Text, message.as_bytes())).collect();
    event(&frames)
}

/// Reads events as browsers do (HTML, Interpreting an event stream).
fn dispatched(stream: &str) -> Vec<String> {
    let (mut events, mut data) = (Vec::new(), String::new());
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let whole = stream.strip_suffix('\n').expect("the last line is ended");
    for line in whole.split('\n') {
        if line.is_empty() {
            if let Some(data) = std::mem::take(&mut data).strip_suffix('\n') {
                events.push(data.to_owned());
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        assert!(field == "data" || field.is_empty(), "the unexpected field {field:?}");
        if field == "data" {
            data.push_str(value.strip_prefix(' ').unwrap_or(value));
            data.push('\n');
        }
    }
    assert_eq!(data, "", "an event that is not ended");
    events
}

#[test]
fn messages_become_one_event_with_a_data_line_per_line() {
    for (messages, expected) in [
        (&["{}\u{1e}"][..], "data: {}\u{1e}\r\n\r\n"),
        (&["a\u{1e}", "b\u{1e}"], "data: a\u{1e}b\u{1e}\r\n\r\n"),
        (&["a\nb"], "data: a\r\ndata: b\r\n\r\n"),
        (&["a\r\nb"], "data: a\r\ndata: b\r\n\r\n"),
        (&["a\rb"], "data: a\r\ndata: b\r\n\r\n"),
        (&["a\n"], "data: a\r\ndata: \r\n\r\n"),
        (&["a\r"], "data: a\r\ndata: \r\n\r\n"),
        (&["a\r\n\r\nb"], "data: a\r\ndata: \r\ndata: b\r\n\r\n"),
        (&["a\n\rb"], "data: a\r\ndata: \r\ndata: b\r\n\r\n"),
        (&["a\r", "\nb"], "data: a\r\ndata: b\r\n\r\n"),
        (&["\r"], "data: \r\ndata: \r\n\r\n"),
    ] {
        assert_eq!(event_of(messages), expected, "{messages:?}");
    }
}

proptest! {
    #[test]
    fn every_text_is_one_event_with_its_lines_kept(messages in prop::collection::vec("[a\r\n: \u{1e}\u{2028}]{1,12}", 1..4)) {
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        let event = event_of(&messages);
        let expected = messages.concat().replace("\r\n", "\n").replace('\r', "\n");
        prop_assert_eq!(dispatched(std::str::from_utf8(&event).unwrap()), [expected]);
    }
}
