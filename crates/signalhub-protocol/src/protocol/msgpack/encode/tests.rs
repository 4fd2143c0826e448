use super::encode;
use crate::message::{CancelInvocation, Close, Completion, HubMessage, Invocation, Outcome, SequenceId, StreamItem};
use crate::{Arguments, Value};

/// Compares with bytes that the tests of the original have (MessagePackHubProtocolTestBase) or recordings show.
#[track_caller]
fn check(message: &HubMessage<'_>, expected: &[u8]) {
    let mut out = b"before".to_vec();
    encode(message, &mut out);
    assert_eq!(out[6..].escape_ascii().to_string(), expected.escape_ascii().to_string());
}

fn completion(id: &'static str, outcome: Outcome<'static>) -> HubMessage<'static> {
    HubMessage::Completion(Completion::new(id, outcome))
}

fn close(error: Option<&'static str>, allow_reconnect: bool) -> HubMessage<'static> {
    HubMessage::Close(Close { error: error.map(Into::into), allow_reconnect })
}

#[test]
fn calls_have_six_items() {
    let mut call = Invocation::new("method", Arguments::MessagePack(&[0x91, 42]));
    check(&HubMessage::Invocation(call.clone()), b"\x0e\x96\x01\x80\xc0\xa6method\x91\x2a\x90");
    call.invocation_id = Some("".into());
    check(&HubMessage::Invocation(call.clone()), b"\x0e\x96\x01\x80\xc0\xa6method\x91\x2a\x90");
    call.invocation_id = Some("xyz".into());
    call.arguments = Arguments::MessagePack(&[0x90]);
    check(&HubMessage::Invocation(call.clone()), b"\x10\x96\x01\x80\xa3xyz\xa6method\x90\x90");
    check(&HubMessage::StreamInvocation(call.clone()), b"\x10\x96\x04\x80\xa3xyz\xa6method\x90\x90");
    call.stream_ids = vec!["u".into(), "v".into()];
    call.headers.set("a", "b");
    check(&HubMessage::Invocation(call), b"\x18\x96\x01\x81\xa1a\xa1b\xa3xyz\xa6method\x90\x92\xa1u\xa1v");
}

#[test]
fn items_and_completions_are_the_originals() {
    let item = |value| HubMessage::StreamItem(StreamItem::new("xyz", Value::MessagePack(value)));
    check(&item(&[0x2A]), b"\x08\x94\x02\x80\xa3xyz\x2a");
    check(&item(b"\xca\x42\x28\0\0"), b"\x0c\x94\x02\x80\xa3xyz\xca\x42\x28\0\0");
    check(
        &completion("xyz", Outcome::Error("Error not found!".into())),
        b"\x19\x95\x03\x80\xa3xyz\x01\xb0Error not found!",
    );
    check(&completion("xyz", Outcome::Void), b"\x08\x94\x03\x80\xa3xyz\x02");
    check(&completion("xyz", Outcome::Result(Value::MessagePack(&[42]))), b"\x09\x95\x03\x80\xa3xyz\x03\x2a");
    check(&completion("0", Outcome::Result(Value::MessagePack(&[0xC0]))), b"\x07\x95\x03\x80\xa10\x03\xc0");
    check(&HubMessage::CancelInvocation(CancelInvocation::new("xyz")), b"\x07\x93\x05\x80\xa3xyz");
}

#[test]
fn the_connections_own_messages_are_the_originals() {
    check(&HubMessage::Ping, b"\x02\x91\x06");
    check(&close(None, false), b"\x04\x93\x07\xc0\xc2");
    check(&close(Some("Error!"), false), b"\x0a\x93\x07\xa6Error!\xc2");
    check(&close(None, true), b"\x04\x93\x07\xc0\xc3");
    check(&close(Some("Error!"), true), b"\x0a\x93\x07\xa6Error!\xc3");
    check(&HubMessage::Ack(SequenceId(42)), b"\x03\x92\x08\x2a");
    check(&HubMessage::Sequence(SequenceId(146)), b"\x04\x92\x09\xcc\x92");
}

#[test]
fn values_of_json_are_translated_and_what_cannot_be_is_nil() {
    let call = Invocation::new("m", Arguments::Json(br#"[1,{"a":null}]"#));
    check(&HubMessage::Invocation(call), b"\x0d\x96\x01\x80\xc0\xa1m\x92\x01\x81\xa1a\xc0\x90");
    check(&completion("1", Outcome::Result(Value::Json(b"\"x\""))), b"\x08\x95\x03\x80\xa11\x03\xa1x");
    check(&completion("1", Outcome::Result(Value::Json(b"1e999"))), b"\x07\x95\x03\x80\xa11\x03\xc0");
}
