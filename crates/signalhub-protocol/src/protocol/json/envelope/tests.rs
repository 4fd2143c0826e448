use std::borrow::Cow;

use proptest::prelude::*;

use crate::DecodeError;
use crate::message::{Close, Completion, Headers, HubMessage, Invocation, Outcome, SequenceId, StreamItem};
use crate::{Arguments, Value};

mod original;

fn decode(input: &[u8]) -> Result<Option<(HubMessage<'_>, usize)>, DecodeError> {
    super::decode(input, 0)
}

fn record(text: &[u8]) -> Vec<u8> {
    [text, b"\x1e"].concat()
}

fn refusal(text: &[u8]) -> String {
    match decode(&record(text)) {
        Err(error) => format!("{}: {error}", error.exception()),
        Ok(message) => format!("{message:?}"),
    }
}

#[test]
fn refuses_what_the_original_refuses_with_its_texts() {
    for (text, expected) in original::REFUSED {
        assert_eq!(refusal(text), *expected, "{}", text.escape_ascii());
    }
}

#[test]
fn accepts_what_the_original_accepts() {
    for text in original::ACCEPTED {
        let record = record(text);
        let decoded = decode(&record).unwrap_or_else(|error| panic!("{error}: {}", text.escape_ascii()));
        assert_eq!(decoded.map(|(_, consumed)| consumed), Some(record.len()), "{}", text.escape_ascii());
    }
}

#[test]
fn nesting_of_64_passes_and_of_65_does_not() {
    for property in ["arguments", "item", "x"] {
        let nested = |depth| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"type":1,"target":"T","arguments":[],"{property}":{open}{close}}}"#)
        };
        assert!(decode(&record(nested(63).as_bytes())).is_ok(), "{property}");
        assert_eq!(decode(&record(nested(64).as_bytes())), Err(DecodeError::Syntax), "{property}");
    }
}

#[test]
fn an_item_of_an_unknown_stream_is_no_error_wherever_its_id_stands() {
    let item = HubMessage::StreamItem(StreamItem::new("77", Value::Json(b"1")));
    check(br#"{"type":2,"item":1,"invocationId":"77"}"#, item.clone());
    check(br#"{"type":2,"invocationId":"77","item":1}"#, item);
}

#[test]
fn a_stream_invocation_without_id_is_left_to_the_hub() {
    let mut invocation = Invocation::new("Count", Arguments::Json(b"[1,0]"));
    check(br#"{"type":4,"target":"Count","arguments":[1,0]}"#, HubMessage::StreamInvocation(invocation.clone()));
    invocation.invocation_id = Some(Cow::Borrowed(""));
    let text = br#"{"type":4,"invocationId":"","target":"Count","arguments":[1,0]}"#;
    check(text, HubMessage::StreamInvocation(invocation));
}

fn check(text: &[u8], expected: HubMessage<'_>) {
    let record = record(text);
    assert_eq!(decode(&record), Ok(Some((expected, record.len()))), "{}", text.escape_ascii());
}

#[test]
fn every_property_is_read_in_any_order_and_the_last_of_a_name_wins() {
    let mut invocation = Invocation::new("T", Arguments::Json(b"[ 1 , {\"a\":\"}\"}]"));
    invocation.invocation_id = Some("7".into());
    invocation.stream_ids = vec!["a".into(), "b".into()];
    invocation.headers.set("k", "v");
    let text = br#" {"arguments":[0],"streamIds":["a","b"],"headers":{"k":"u","k":"v"},"invocationId":"6","target":"S",
        "type":2,"invocationId":"7","target":"T","arguments":[ 1 , {"a":"}"}],"type":1} and more"#;
    check(text, HubMessage::Invocation(invocation));
    check(br#"{"type":1,"target":"T","arguments":[0],"type":6}"#, HubMessage::Ping);
    check(br#"{"type":8,"sequenceId":1,"sequenceId":-2}"#, HubMessage::Ack(SequenceId(-2)));
    check(br#"{"sequenceId":9,"type":9}"#, HubMessage::Sequence(SequenceId(9)));
    check(br#"{"type":0}"#, HubMessage::Unknown(0));
    check(br#"{"type":-1,"target":"T"}"#, HubMessage::Unknown(-1));
}

#[test]
fn outcomes_and_closes_are_distinguished() {
    let completion = |outcome| HubMessage::Completion(Completion::new("1", outcome));
    check(br#"{"type":3,"invocationId":"1"}"#, completion(Outcome::Void));
    check(br#"{"type":3,"invocationId":"1","result":null}"#, completion(Outcome::Result(Value::Json(b"null"))));
    // The white space in front of a result is part of it: a server of a cluster passes it on to another one.
    check(
        b"{\"type\":3,\"result\" : \t {\"y\" : 2} ,\"invocationId\":\"1\"}",
        completion(Outcome::Result(Value::Json(b" \t {\"y\" : 2}"))),
    );
    check(br#"{"type":3,"error":"","invocationId":"1"}"#, completion(Outcome::Error("".into())));
    let close = |error: Option<&'static str>, allow_reconnect| {
        HubMessage::Close(Close { error: error.map(Cow::from), allow_reconnect })
    };
    check(br#"{"type":7}"#, close(None, false));
    check(br#"{"type":7,"error":"","allowReconnect":false}"#, close(Some(""), false));
    check(br#"{"type":7,"error":"e\u0021","allowReconnect":true}"#, close(Some("e!"), true));
}

#[test]
fn an_escaped_target_is_marked_and_a_plain_one_borrows() {
    let escaped = record(br#"{"type":1,"target":"t\u0031","arguments":[]}"#);
    let Ok(Some((HubMessage::Invocation(invocation), _))) = decode(&escaped) else { panic!("an invocation") };
    assert_eq!((invocation.target.as_ref(), invocation.target_escaped), ("t1", true));
    let plain = record(br#"{"type":1,"invocationId":"1","target":"t1","arguments":[]}"#);
    let Ok(Some((HubMessage::Invocation(invocation), _))) = decode(&plain) else { panic!("an invocation") };
    assert!(!invocation.target_escaped && matches!(invocation.target, Cow::Borrowed("t1")));
    assert!(matches!(invocation.invocation_id, Some(Cow::Borrowed("1"))));
}

#[test]
fn text_that_is_no_utf8_passes_inside_arguments() {
    check(
        b"{\"type\":1,\"target\":\"T\",\"arguments\":[\"\xff\"]}",
        HubMessage::Invocation(Invocation::new("T", Arguments::Json(b"[\"\xff\"]"))),
    );
}

#[test]
fn headers_are_kept() {
    let record = record(br#"{"type":5,"headers":{"a":"1","b":"\u0032"},"invocationId":"1"}"#);
    let Ok(Some((HubMessage::CancelInvocation(cancel), _))) = decode(&record) else { panic!("a cancellation") };
    assert_eq!(cancel.headers.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    assert!(Headers::default().is_empty() && !cancel.headers.is_empty());
}

/// Texts that are nearly records, so that the reader gets far into them.
fn nearly_a_record() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&[u8]] = &[
        b"{\"type\":",
        b"\"target\":",
        b"\"arguments\":[",
        b"\"streamIds\":[",
        b"\"headers\":{",
        b"\"invocationId\":\"",
        b"\"sequenceId\":",
        b"1-.e,:[]}",
        b"\"",
        b"\\u",
        b"d800",
        b"\xff",
        b"null",
    ];
    let part = (prop::sample::select(PARTS), any::<prop::sample::Index>()).prop_map(|(part, index)| match part {
        b"1-.e,:[]}" => vec![*index.get(part)],
        part => part.to_vec(),
    });
    prop::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop_oneof![nearly_a_record(), any::<Vec<u8>>()]) {
        if let Ok(Some((HubMessage::Invocation(invocation), _))) = decode(&record(&bytes)) {
            let mut binder = invocation.arguments.bind(2).unwrap();
            let _ = (binder.next::<String>(), binder.next::<Vec<i32>>(), binder.finish());
        }
    }
}

#[test]
fn headers_have_a_number_and_the_last_of_a_name_counts() {
    let with = |headers: &str| record(format!("{{\"type\":6,{headers}}}").as_bytes());
    let headers = |count: usize| (0..count).map(|n| format!("\"{n}\":\"\"")).collect::<Vec<_>>().join(",");
    let ping = |input: &[u8]| decode(input).map(|message| message.map(|(message, _)| message == HubMessage::Ping));
    assert_eq!(ping(&with(&format!("\"headers\":{{{}}}", headers(100)))), Ok(Some(true)));
    for too_many in [
        format!("\"headers\":{{{}}}", headers(101)),
        format!("\"headers\":{{{}}}", ["\"a\":\"\""; 101].join(",")),
        format!("\"headers\":{{{}}},\"headers\":{{{}}}", headers(51), headers(50)),
    ] {
        let error = ping(&with(&too_many)).unwrap_err();
        assert_eq!(error, DecodeError::TooManyHeaders);
        assert_eq!(error.to_string(), "A message may have at most 100 headers.");
    }
    let cancel = record(br#"{"type":5,"invocationId":"1","headers":{"x":"0"},"headers":{"b":"1","a":"2","b":"3"}}"#);
    let Ok(Some((HubMessage::CancelInvocation(cancel), _))) = decode(&cancel) else { panic!("a cancellation") };
    assert_eq!(cancel.headers.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
}

#[test]
fn a_record_is_found_where_the_search_goes_on() {
    let input = b"{\"type\":6}\x1e{\"type\":6}\x1e";
    for searched in 0..11 {
        assert_eq!(super::decode(input, searched), Ok(Some((HubMessage::Ping, 11))), "{searched}");
    }
    for len in 0..11 {
        assert_eq!(super::decode(&input[..len - len.min(1)], len), Ok(None), "{len}");
    }
}
