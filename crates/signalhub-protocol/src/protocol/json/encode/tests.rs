use std::borrow::Cow;

use proptest::prelude::*;

use super::encode;
use crate::DecodeError;
use crate::message::{
    CancelInvocation, Close, Completion, Headers, HubMessage, Invocation, Outcome, SequenceId, StreamItem,
};
use crate::{Arguments, Value};

fn decode(input: &[u8]) -> Result<Option<(HubMessage<'_>, usize)>, DecodeError> {
    crate::protocol::json::decode(input, 0)
}

fn check(message: &HubMessage<'_>, expected: &str) {
    let mut out = b"before".to_vec();
    encode(message, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}\u{1e}"));
}

#[test]
fn properties_stand_in_the_original_order() {
    let mut invocation = Invocation::new("Send", Arguments::Json(br#"["hi"]"#));
    check(&HubMessage::Invocation(invocation.clone()), r#"{"type":1,"target":"Send","arguments":["hi"]}"#);
    invocation.invocation_id = Some("s1".into());
    invocation.stream_ids = vec!["1".into(), "\"".into()];
    invocation.headers.set("a", "b");
    check(
        &HubMessage::StreamInvocation(invocation),
        r#"{"type":4,"headers":{"a":"b"},"invocationId":"s1","target":"Send","arguments":["hi"],"streamIds":["1","\""]}"#,
    );
    let item = HubMessage::StreamItem(StreamItem::new("1", Value::Json(b"null")));
    check(&item, r#"{"type":2,"invocationId":"1","item":null}"#);
    check(&HubMessage::CancelInvocation(CancelInvocation::new("1")), r#"{"type":5,"invocationId":"1"}"#);
    check(&HubMessage::Ping, r#"{"type":6}"#);
    check(&HubMessage::Ack(SequenceId(42)), r#"{"type":8,"sequenceId":42}"#);
    check(&HubMessage::Sequence(SequenceId(146)), r#"{"type":9,"sequenceId":146}"#);
}

#[test]
fn a_completion_has_an_error_or_a_result_or_neither() {
    let check = |outcome, expected| check(&HubMessage::Completion(Completion::new("1", outcome)), expected);
    check(Outcome::Error("no".into()), r#"{"type":3,"invocationId":"1","error":"no"}"#);
    check(Outcome::Result(Value::Json(b"null")), r#"{"type":3,"invocationId":"1","result":null}"#);
    check(Outcome::Void, r#"{"type":3,"invocationId":"1"}"#);
}

#[test]
fn a_close_has_even_an_empty_error_but_no_refusal_of_reconnect() {
    let check = |error: Option<&'static str>, allow_reconnect, expected| {
        check(&HubMessage::Close(Close { error: error.map(Cow::from), allow_reconnect }), expected);
    };
    check(None, false, r#"{"type":7}"#);
    check(None, true, r#"{"type":7,"allowReconnect":true}"#);
    check(Some(""), false, r#"{"type":7,"error":""}"#);
    check(Some("e"), true, r#"{"type":7,"error":"e","allowReconnect":true}"#);
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    prop_oneof![any::<String>(), "[a-zA-Z0-9\"\\\\\u{0}-\u{20}é\u{fe00}😀]{0,12}"].prop_map(Cow::Owned)
}

fn id() -> impl Strategy<Value = Cow<'static, str>> {
    text().prop_map(|text| if text.is_empty() { Cow::Borrowed("0") } else { text })
}

fn headers() -> impl Strategy<Value = Headers<'static>> {
    prop::collection::vec((text(), text()), 0..3).prop_map(|pairs| {
        let mut headers = Headers::default();
        pairs.into_iter().for_each(|(name, text)| headers.set(name, text));
        headers
    })
}

fn value() -> impl Strategy<Value = &'static [u8]> {
    const VALUES: &[&[u8]] = &[b"null", b"-1.5e-3", b"\"\\u0041 \\\\\"", b"{\"a\":[{},\"}\"]}", b"[]"];
    prop::sample::select(VALUES)
}

fn invocation() -> impl Strategy<Value = Invocation<'static>> {
    const ARGUMENTS: &[&[u8]] = &[b"[]", b"[1,\"]\",[{}]]"];
    let arguments = prop::sample::select(ARGUMENTS);
    (headers(), prop::option::of(text()), text(), arguments, prop::collection::vec(text(), 0..3)).prop_map(
        |(headers, invocation_id, target, arguments, stream_ids)| Invocation {
            headers,
            invocation_id,
            stream_ids,
            ..Invocation::new(target, Arguments::Json(arguments))
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome<'static>> {
    prop_oneof![
        text().prop_map(Outcome::Error),
        value().prop_map(|value| Outcome::Result(Value::Json(value))),
        Just(Outcome::Void)
    ]
}

fn message() -> impl Strategy<Value = HubMessage<'static>> {
    prop_oneof![
        invocation().prop_map(HubMessage::Invocation),
        invocation().prop_map(HubMessage::StreamInvocation),
        (headers(), id(), value()).prop_map(|(headers, id, value)| {
            HubMessage::StreamItem(StreamItem { headers, ..StreamItem::new(id, Value::Json(value)) })
        }),
        (headers(), id(), outcome()).prop_map(|(headers, id, outcome)| {
            HubMessage::Completion(Completion { headers, ..Completion::new(id, outcome) })
        }),
        (headers(), id()).prop_map(|(headers, id)| {
            HubMessage::CancelInvocation(CancelInvocation { headers, ..CancelInvocation::new(id) })
        }),
        Just(HubMessage::Ping),
        (prop::option::of(text()), any::<bool>())
            .prop_map(|(error, allow_reconnect)| HubMessage::Close(Close { error, allow_reconnect })),
        any::<i64>().prop_map(|id| HubMessage::Ack(SequenceId(id))),
        any::<i64>().prop_map(|id| HubMessage::Sequence(SequenceId(id))),
        (10..1000).prop_map(HubMessage::Unknown),
    ]
}

/// Whether a target was escaped is known only for messages that were read.
fn forget_spelling(mut message: HubMessage<'_>) -> HubMessage<'_> {
    if let HubMessage::Invocation(invocation) | HubMessage::StreamInvocation(invocation) = &mut message {
        invocation.target_escaped = false;
    }
    message
}

proptest! {
    #[test]
    fn what_was_written_reads_back_the_same(first in message(), second in message()) {
        let mut bytes = Vec::new();
        encode(&first, &mut bytes);
        let middle = bytes.len();
        encode(&second, &mut bytes);
        let (read, consumed) = decode(&bytes).unwrap().unwrap();
        prop_assert_eq!((forget_spelling(read), consumed), (first, middle));
        let (read, consumed) = decode(&bytes[middle..]).unwrap().unwrap();
        prop_assert_eq!((forget_spelling(read), consumed), (second, bytes.len() - middle));
    }

    #[test]
    fn a_part_of_a_record_is_no_message_yet(message in message(), share in 0.0..1.0) {
        let mut bytes = Vec::new();
        encode(&message, &mut bytes);
        let part = (bytes.len() as f64 * share) as usize;
        prop_assert_eq!(decode(&bytes[..part]), Ok(None));
    }
}
