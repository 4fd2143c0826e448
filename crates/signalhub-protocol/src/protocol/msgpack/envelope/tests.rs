use std::collections::BTreeMap;

use proptest::prelude::*;

use super::decode;
use crate::DecodeError;
use crate::message::{CancelInvocation, Close, Completion, HubMessage, Invocation, Outcome, SequenceId, StreamItem};
use crate::{Arguments, Value};

/// Puts the length in front; no body here is longer than one byte can say.
fn message(body: &[u8]) -> Vec<u8> {
    [&[u8::try_from(body.len()).unwrap()], body].concat()
}

/// Bodies that end the connection of a hub with detailed errors, and the text behind its base text: recorded (msgpack/bad-…),
/// or in the tests of the original (MessagePackHubProtocolTestBase, InvalidPayloads).
const REFUSED: &[(&[u8], &str)] = &[
    (b"", "EndOfStreamException: Attempted to read past the end of the stream."),
    (b"\x01", "MessagePackSerializationException: Unexpected msgpack code 1 (positive fixint) encountered."),
    (b"\xc0", "MessagePackSerializationException: Unexpected msgpack code 192 (nil) encountered."),
    (b"\x81\x06\x06", "MessagePackSerializationException: Unexpected msgpack code 129 (fixmap) encountered."),
    (b"\xd4\x05\x05", "MessagePackSerializationException: Unexpected msgpack code 212 (fixext 1) encountered."),
    (b"\x96\x01\x80\xa11", "EndOfStreamException: Attempted to read past the end of the stream."),
    (b"\x90", "InvalidDataException: Reading 'messageType' as Int32 failed."),
    (b"\x91\xa1x", "InvalidDataException: Reading 'messageType' as Int32 failed."),
    (b"\x91\xce\xff\xff\xff\xff", "InvalidDataException: Reading 'messageType' as Int32 failed."),
    (b"\x91\xcb\x40\x18\0\0\0\0\0\0", "InvalidDataException: Reading 'messageType' as Int32 failed."),
    (b"\x91\x01", "InvalidDataException: Reading map length for 'headers' failed."),
    (b"\x92\x01\x05", "InvalidDataException: Reading map length for 'headers' failed."),
    (b"\x92\x01\xc0", "InvalidDataException: Reading map length for 'headers' failed."),
    (b"\x92\x01\xdf\xff\xff\xff\xff", "InvalidDataException: Reading map length for 'headers' failed."),
    (b"\x92\x01\x81\x05\xa1b", "InvalidDataException: Reading 'headers[0].Key' as String failed."),
    (b"\x92\x01\x82\xa1a\xa1b\xa1c\x05", "InvalidDataException: Reading 'headers[1].Value' as String failed."),
    (b"\x92\x01\x81\xa0\xa1b", "InvalidDataException: Null or empty key in header."),
    (b"\x92\x01\x81\xc0\xa1b", "InvalidDataException: Null or empty key in header."),
    (b"\x92\x01\x81\xa1a\xa0", "InvalidDataException: Null or empty value in header."),
    (b"\x92\x01\x80", "InvalidDataException: Reading 'invocationId' as String failed."),
    (b"\x93\x01\x80\x01", "InvalidDataException: Reading 'invocationId' as String failed."),
    (b"\x93\x01\x80\xc4\x01x", "InvalidDataException: Reading 'invocationId' as String failed."),
    (b"\x93\x01\x80\xa3abc", "InvalidDataException: Reading 'target' as String failed."),
    (b"\x94\x01\x80\xa3abc\x2a", "InvalidDataException: Reading 'target' as String failed."),
    (b"\x94\x01\x80\xa3abc\xa0", "InvalidDataException: Null or empty target for Invocation message."),
    (b"\x94\x01\x80\xa3abc\xc0", "InvalidDataException: Null or empty target for Invocation message."),
    (b"\x96\x01\x80\xa11\xa1T\x90\x05", "InvalidDataException: Reading array length for 'streamIds' failed."),
    (b"\x96\x01\x80\xa11\xa1T\x90\xc0", "InvalidDataException: Reading array length for 'streamIds' failed."),
    (b"\x96\x01\x80\xa11\xa1T\x90\x91\xa0", "InvalidDataException: Null or empty value in streamIds received."),
    (
        b"\x96\x01\x80\xa11\xa1T\x90\x91\x05",
        "MessagePackSerializationException: Unexpected msgpack code 5 (positive fixint) encountered.",
    ),
    (b"\x93\x04\x80\xa0", "InvalidDataException: Null or empty invocation ID for StreamInvocation message."),
    (
        b"\x96\x04\x80\xc0\xa5Count\x91\xa1x\x90",
        "InvalidDataException: Null or empty invocation ID for StreamInvocation message.",
    ),
    (b"\x94\x04\x80\xa11\xa0", "InvalidDataException: Null or empty target for StreamInvocation message."),
    (b"\x94\x02\x80\xc0\x05", "InvalidDataException: Null or empty invocation ID for StreamItem message."),
    (b"\x94\x03\x80\xc0\x02", "InvalidDataException: Null or empty invocation ID for Completion message."),
    (b"\x94\x03\x80\xa11\x09", "InvalidDataException: Invalid invocation result kind."),
    (b"\x94\x03\x80\xa11\xa1x", "InvalidDataException: Reading 'resultKind' as Int32 failed."),
    (b"\x95\x03\x80\xa11\x01\x05", "InvalidDataException: Reading 'error' as String failed."),
    (b"\x93\x05\x80\xc0", "InvalidDataException: Null or empty invocation ID for CancelInvocation message."),
    (b"\x91\x07", "InvalidDataException: Reading 'error' as String failed."),
    (b"\x92\x07\x05", "InvalidDataException: Reading 'error' as String failed."),
    (b"\x93\x07\xc0\x01", "InvalidDataException: Reading 'allowReconnect' as Boolean failed."),
    (b"\x92\x08\xa11", "InvalidDataException: Reading 'sequenceId' as Int64 failed."),
    (b"\x92\x09\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "InvalidDataException: Reading 'sequenceId' as Int64 failed."),
];

#[test]
fn refuses_what_the_original_refuses_with_its_texts() {
    for (body, expected) in REFUSED {
        let input = message(body);
        let answer = match decode(&input) {
            Err(error) => format!("{}: {error}", error.exception()),
            Ok(message) => format!("{message:?}"),
        };
        assert_eq!(answer, *expected, "{}", body.escape_ascii());
    }
}

#[track_caller]
fn check(body: &[u8], expected: HubMessage<'_>) {
    let input = message(body);
    assert_eq!(decode(&input), Ok(Some((expected, input.len()))), "{}", body.escape_ascii());
}

fn call() -> Invocation<'static> {
    let arguments = Arguments::MessagePack(&[0x91, 0x2A]);
    Invocation { invocation_id: Some("1".into()), ..Invocation::new("EchoInt", arguments) }
}

#[test]
fn calls_are_read_however_they_are_written() {
    let rows: [&[u8]; 5] = [
        b"\x95\x01\x80\xa11\xa7EchoInt\x91\x2a",
        b"\x96\x01\x80\xa11\xa7EchoInt\x91\x2a\x90",
        b"\x98\x01\x80\xa11\xa7EchoInt\x91\x2a\x90\x01\x02",
        b"\xdc\0\x06\xd1\0\x01\xde\0\0\xd9\x011\xda\0\x07EchoInt\x91\x2a\xdd\0\0\0\0",
        b"\x96\x01\x80\xa11\xa7EchoInt\x91\x2a\x90 and more",
    ];
    for body in rows {
        check(body, HubMessage::Invocation(call()));
    }
    let mut call = call();
    check(b"\x96\x04\x80\xa11\xa7EchoInt\x91\x2a\x90", HubMessage::StreamInvocation(call.clone()));
    call.headers.set("a", "b");
    call.stream_ids = vec!["u".into(), "\u{FFFD}".into()];
    check(b"\x96\x01\x81\xa1a\xa1b\xa11\xa7EchoInt\x91\x2a\x92\xa1u\xa1\xff", HubMessage::Invocation(call.clone()));
    let silent = Invocation { invocation_id: None, ..self::call() };
    check(b"\x96\x01\x80\xc0\xa7EchoInt\x91\x2a\x90", HubMessage::Invocation(silent));
}

#[test]
fn headers_have_a_number_and_the_last_of_a_name_counts() {
    let cancel = |headers: &[u8]| [b"\x93\x05", headers, b"\xa11"].concat();
    let many = |count: u8| [&[0xDE, 0, count][..], &b"\xa1a\xa1b".repeat(count.into())].concat();
    let input = |body: &[u8]| {
        let len = body.len();
        [&[u8::try_from(len & 0x7F).unwrap() | 0x80, u8::try_from(len >> 7).unwrap()], body].concat()
    };
    let mut expected = CancelInvocation::new("1");
    expected.headers.set("a", "b");
    let hundred = input(&cancel(&many(100)));
    assert_eq!(decode(&hundred), Ok(Some((HubMessage::CancelInvocation(expected), hundred.len()))));
    assert_eq!(decode(&input(&cancel(&many(101)))), Err(DecodeError::TooManyHeaders));
    let mut expected = CancelInvocation::new("1");
    expected.headers.set("b", "3");
    expected.headers.set("a", "2");
    check(&cancel(b"\x83\xa1b\xa11\xa1a\xa12\xa1b\xa13"), HubMessage::CancelInvocation(expected));
}

#[test]
fn arguments_that_cannot_bind_are_left_to_the_binder() {
    for rest in
        [&b"\x05\x90"[..], b"\xc0\x90", b"\xdd\xff\xff\xff\xff", b"\x92\x01", b"\x91\xa5hi", b"\x91\xc1\x90", b""]
    {
        let body = [b"\x95\x01\x80\xa11\xa7EchoInt", rest].concat();
        let expected = Invocation { arguments: Arguments::MessagePack(rest), ..call() };
        check(&body, HubMessage::Invocation(expected));
        assert!(Arguments::MessagePack(rest).bind(1).and_then(|mut binder| binder.next::<String>()).is_err());
    }
}

#[test]
fn the_other_messages_are_read() {
    let completion = |id: &'static str, outcome| HubMessage::Completion(Completion::new(id, outcome));
    let close = |error: Option<&'static str>, allow_reconnect| {
        HubMessage::Close(Close { error: error.map(Into::into), allow_reconnect })
    };
    check(b"\x94\x02\x80\xa277\x01", HubMessage::StreamItem(StreamItem::new("77", Value::MessagePack(&[1]))));
    check(b"\x93\x02\x80\xa277", HubMessage::StreamItem(StreamItem::new("77", Value::MessagePack(&[]))));
    check(b"\x94\x03\x80\xa277\x02", completion("77", Outcome::Void));
    check(b"\x95\x03\x80\xa277\x01\xa1e", completion("77", Outcome::Error("e".into())));
    check(b"\x95\x03\x80\xa277\x01\xc0", completion("77", Outcome::Void));
    check(
        b"\x95\x03\x80\xa277\x03\x92\x01\x02",
        completion("77", Outcome::Result(Value::MessagePack(b"\x92\x01\x02"))),
    );
    check(b"\x93\x05\x80\xa277", HubMessage::CancelInvocation(CancelInvocation::new("77")));
    check(b"\x91\x06", HubMessage::Ping);
    check(b"\x92\x07\xc0", close(None, false));
    check(b"\x93\x07\xa1e\xc3", close(Some("e"), true));
    check(b"\x92\x08\x01", HubMessage::Ack(SequenceId(1)));
    check(b"\x92\x09\xff", HubMessage::Sequence(SequenceId(-1)));
    check(b"\x91\x2a", HubMessage::Unknown(42));
    check(b"\x92\xff\xc1", HubMessage::Unknown(-1));
}

/// Bytes that are nearly a body, so that the reader gets far into them.
fn nearly_a_body() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&[u8]] = &[
        b"\x96\x01\x80\xa11\xa1T",
        b"\x96\x04\x81\xa1a\xa1b\xa11\xa1T",
        b"\x95\x03\x80\xa11",
        b"\x93\x07",
        b"\x91\x92\x81",
        b"\xdc\0\x02",
        b"\xc7\x04\xff",
        b"\xa11",
        b"\xff",
        b"\xc0",
    ];
    prop::collection::vec(prop::sample::select(PARTS), 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(body in prop_oneof![nearly_a_body(), prop::collection::vec(any::<u8>(), 0..120)]) {
        if let Ok(Some((HubMessage::Invocation(invocation), _))) = decode(&message(&body))
            && let Ok(mut binder) = invocation.arguments.bind(2)
        {
            let _ = (binder.next::<String>(), binder.next::<Vec<i32>>(), binder.finish());
        }
    }

    #[test]
    fn what_broke_off_is_refused_or_does_not_bind(part: prop::sample::Index) {
        let whole: &[u8] = b"\x96\x01\x81\xa1a\xa1b\xa11\xa3Add\x92\xcd\x01\0\x82\xa1x\x01\xa1y\x02\x91\xa1u";
        let input = message(&whole[..part.index(whole.len())]);
        if let Ok(decoded) = decode(&input) {
            let Some((HubMessage::Invocation(call), _)) = decoded else { panic!("{decoded:?}") };
            let bound = call.arguments.bind(2).and_then(|mut binder| {
                binder.next::<i32>()?;
                binder.next::<BTreeMap<String, i32>>()
            });
            prop_assert!(bound.is_err());
        }
    }
}
