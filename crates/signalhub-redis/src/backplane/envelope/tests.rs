#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use serde_json::Value;
use signalhub::backplane::{Channel, Envelope, GroupAction, InvocationEnvelope, ReturnAddress, ServerName};
use signalhub_protocol::Protocol;
use signalhub_protocol::message_pack::ScanError;

use super::super::channels::Names;
use super::{Malformed, decode, encode};

fn recording() -> Value {
    serde_json::from_str(include_str!("../../../tests/recordings/redis-backplane.json")).unwrap()
}

fn bytes(hex: &str) -> Bytes {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The channel of a recorded name, and the names that make it.
fn channel(name: &str) -> Channel {
    let prefix = if name.starts_with("app1:") { "app1:" } else { "" };
    let hub = name[prefix.len()..].split(':').next().unwrap();
    let names = Names::new(prefix, hub);
    let channel = names.channel(name).unwrap();
    assert_eq!(names.name(&channel), name);
    channel
}

/// Checks that a message says what the recording says of it.
fn means(envelope: &Envelope, decoded: &Value) {
    match envelope {
        Envelope::Invocation(invocation) => {
            let excluded: Vec<_> = invocation.excluded.iter().map(|id| Value::from(id.as_str())).collect();
            assert_eq!(Value::from(excluded), decoded["excluded_connection_ids"]);
            for protocol in Protocol::ALL {
                let len = invocation.copies.of(protocol).map(Bytes::len);
                assert_eq!(Value::from(len), decoded["payloads"][protocol.name()]["length"]);
            }
            let question = invocation.question.as_ref();
            assert_eq!(Value::from(question.map(|question| question.id.as_str())), decoded["invocation_id"]);
            assert_eq!(Value::from(question.map(|question| question.return_to.as_str())), decoded["return_channel"]);
        }
        Envelope::GroupCommand(command) => {
            assert_eq!(command.id.0, decoded["id"]);
            assert_eq!(command.server.as_str(), decoded["server_name"]);
            let action = if command.action == GroupAction::Add { "add" } else { "remove" };
            assert_eq!(action, decoded["action_name"]);
            assert_eq!(*command.group, *decoded["group_name"].as_str().unwrap());
            assert_eq!(command.connection.as_str(), decoded["connection_id"]);
        }
        Envelope::Ack(id) => assert_eq!(id.0, decoded["id"]),
        Envelope::Completion(completion) => {
            assert_eq!(completion.protocol.name(), decoded["protocol_name"]);
            assert_eq!(completion.message.len(), decoded["message"]["length"]);
        }
    }
}

#[test]
fn each_recorded_payload_is_read_and_written_again_byte_for_byte() {
    let recording = recording();
    let operations = recording["recordings"].as_array().unwrap();
    assert_eq!(operations.len(), 225);
    let published = operations.iter().flat_map(|operation| operation["published"].as_array().unwrap());
    let mut count = 0;
    for published in published {
        let payload = bytes(published["payload_hex"].as_str().unwrap());
        let envelope = decode(&channel(published["channel"].as_str().unwrap()), &payload).unwrap();
        means(&envelope, &published["decoded"]);
        assert_eq!(encode(&envelope), payload, "{}", published["payload_hex"]);
        count += 1;
    }
    assert_eq!(count, 234);
}

/// What the connection of a protocol gets, by the recorded outcome.
fn outcome(decoded: Option<&InvocationEnvelope>, protocol: Protocol) -> &'static str {
    match decoded.map(|invocation| invocation.copies.of(protocol)) {
        None => "nothing",
        Some(Some(_)) => "delivered",
        // The original closes the connection; a server of ours leaves it out.
        Some(None) => "connection closed",
    }
}

#[test]
fn each_unexpected_payload_is_taken_or_refused_as_by_the_original() {
    let recording = recording();
    let rows = recording["tolerance"].as_array().unwrap();
    assert_eq!(rows.len(), 24);
    for row in rows {
        let payload = bytes(row["payload_hex"].as_str().unwrap());
        let channels = ["all", "group:room", "user:ann", "connection:1"];
        for channel in channels.map(|name| channel(&format!("Demo.ChatHub:{name}"))) {
            let decoded = match decode(&channel, &payload) {
                Ok(Envelope::Invocation(invocation)) => Some(invocation),
                Ok(other) => panic!("{other:?}"),
                Err(_) => None,
            };
            for protocol in Protocol::ALL {
                let recorded = row[format!("{}_connection", protocol.name())].as_str().unwrap();
                // A copy that is nil reaches no client, and one that is not there closes the connection. We have one answer to both.
                let recorded = if row["label"] == "payload nil" { "connection closed" } else { recorded };
                assert_eq!(outcome(decoded.as_ref(), protocol), recorded, "{}, {}", row["label"], protocol.name());
            }
            assert!(decoded.is_none_or(|invocation| invocation.question.is_none()));
        }
    }
}

fn check(channel: &Channel, hex: &str, expected: Result<&str, Malformed>) {
    let decoded = decode(channel, &bytes(hex));
    match expected {
        Ok(rewritten) => assert_eq!(encode(&decoded.unwrap()), bytes(rewritten), "{hex}"),
        Err(malformed) => assert_eq!(decoded, Err(malformed), "{hex}"),
    }
}

/// The rows of the original's table of group commands, acks and completions.
#[test]
fn each_unexpected_message_between_servers_is_taken_or_refused_as_by_the_original() {
    let integer = Malformed::Type { expected: "an integer of 32 bits" };
    let text = Malformed::Type { expected: "a text" };
    let array = Malformed::Type { expected: "an array" };

    let commands = Channel::GroupCommands;
    check(&commands, "9501a15301a167a163", Ok("9501a15301a167a163"));
    check(&commands, "9601a15301a167a163c0", Ok("9501a15301a167a163"));
    check(&commands, "95fba15302a167a163", Ok("95fba15302a167a163"));
    check(&commands, "95cf000000000000004da15303a167a163", Ok("954da15303a167a163"));
    check(&commands, "954dc001c0a163", Ok("954da001a0a163"));
    check(&commands, "95cf0000000100000000a15301a167a163", Err(integer));
    check(&commands, "95ce80000000a15301a167a163", Err(integer));
    check(&commands, "95a131a15301a167a163", Err(integer));
    check(&commands, "9501a15301a167c0", Err(text));
    check(&commands, "9401a15301a167", Err(Malformed::Items(5)));
    check(&commands, "a3616263", Err(array));
    check(&commands, "", Err(Malformed::Scan(ScanError::End)));
    check(&commands, "9501a15301a1ffa163", Err(Malformed::Text));

    let acks = Channel::Acks(ServerName::new("S"));
    check(&acks, "9101", Ok("9101"));
    check(&acks, "920102", Ok("9101"));
    check(&acks, "dd00000001d30000000000000001ff", Ok("9101"));
    check(&acks, "90", Err(Malformed::Items(1)));
    check(&acks, "91a131", Err(integer));
    check(&acks, "a3616263", Err(array));
    check(&acks, "", Err(Malformed::Scan(ScanError::End)));

    let completions = Channel::Completions(ReturnAddress::new("H:internal:return:S"));
    check(&completions, "92a46a736f6ec4027b7d", Ok("92a46a736f6ec4027b7d"));
    check(&completions, "93a46a736f6ec6000000027b7dc0", Ok("92a46a736f6ec4027b7d"));
    check(&completions, "91a46a736f6e", Err(Malformed::Items(2)));
    check(&completions, "92a378797ac4027b7d", Err(Malformed::Protocol));
    check(&completions, "92a46a736f6ec0", Err(Malformed::Type { expected: "bytes" }));
    check(&completions, "92a46a736f6ea27b7d", Err(Malformed::Type { expected: "bytes" }));
}

#[test]
fn a_length_beyond_the_payload_reserves_no_memory() {
    for payload in [
        "92dd7fffffff",
        "9290df7fffffff",
        "9290", /* the map is missing */
        "dd7fffffff90",
        "929081a46a736f6ec67fffffff",
    ] {
        check(&Channel::All, payload, Err(Malformed::Scan(ScanError::End)));
    }
}

proptest::proptest! {
    #[test]
    fn what_was_read_is_the_same_when_it_was_written_and_is_read_again(
        which in 0_usize..4,
        payload in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
        row in 0_usize..234,
        at in 0_usize..300,
    ) {
        let acks = Channel::Acks(ServerName::new("S"));
        let completions = Channel::Completions(ReturnAddress::new("H:internal:return:S"));
        let channel = [Channel::All, Channel::GroupCommands, acks, completions][which].clone();
        // A recorded payload with some bytes replaced, or only random bytes.
        let mut changed = payloads().get(row).cloned().unwrap_or_default();
        let end = (at + payload.len()).min(changed.len());
        if at < end {
            changed[at..end].copy_from_slice(&payload[..end - at]);
        }
        for payload in [payload, changed] {
            if let Ok(envelope) = decode(&channel, &Bytes::from(payload)) {
                proptest::prop_assert_eq!(decode(&channel, &Bytes::from(encode(&envelope))), Ok(envelope));
            }
        }
    }
}

/// All recorded payloads.
fn payloads() -> &'static [Vec<u8>] {
    static PAYLOADS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
        let recording = recording();
        let operations = recording["recordings"].as_array().unwrap();
        let published = operations.iter().flat_map(|operation| operation["published"].as_array().unwrap());
        published.map(|published| bytes(published["payload_hex"].as_str().unwrap()).to_vec()).collect()
    });
    &PAYLOADS
}
