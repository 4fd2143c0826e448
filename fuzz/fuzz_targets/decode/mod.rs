//! What holds of whatever a client sends, in either protocol: no panic, and what was read can be bound, written, and read again.

use std::collections::BTreeMap;

use serde_json::Value as Any;
use signalhub_protocol::{AnyValue, Arguments, HubMessage, Outcome, Protocol, Value};

/// Reads all messages at the front of the input.
pub fn check_all(protocol: Protocol, input: &[u8]) {
    let mut rest = input;
    while let Ok(Some((message, consumed))) = protocol.decode(rest) {
        assert!(0 < consumed && consumed <= rest.len());
        check(protocol, &message);
        rest = &rest[consumed..];
    }
}

fn check(protocol: Protocol, message: &HubMessage<'_>) {
    let whole = match message {
        HubMessage::Invocation(call) | HubMessage::StreamInvocation(call) => {
            bind_arguments(protocol, &call.arguments);
            let array = protocol.value(call.arguments.as_bytes());
            is_array(&array) && is_whole(&array)
        }
        HubMessage::StreamItem(item) => {
            bind_value(protocol, &item.item);
            is_whole(&item.item)
        }
        HubMessage::Completion(completion) => match &completion.outcome {
            Outcome::Result(value) => {
                bind_value(protocol, value);
                is_whole(value)
            }
            Outcome::Error(_) | Outcome::Void => true,
        },
        // It has no written form.
        HubMessage::Unknown(_) => return,
        _ => true,
    };
    let written = encode(protocol, message);
    // What is broken inside is written as it is, and need not end where it did.
    if whole {
        let (again, consumed) = protocol.decode(&written).expect("what we write is read").expect("and complete");
        assert_eq!(consumed, written.len());
        assert_eq!(encode(protocol, &again), written, "what is read again is written the same");
    }
    for other in Protocol::ALL {
        encode(other, message);
    }
}

/// MessagePack leaves it to the binder to find out what is broken.
fn is_whole(value: &Value<'_>) -> bool {
    match value {
        Value::Json(_) => true,
        Value::MessagePack(bytes) => value.bind::<AnyValue>().is_ok_and(|value| value.as_value().as_bytes() == *bytes),
    }
}

/// An empty list is bound from empty bytes too, but is not written as such.
fn is_array(value: &Value<'_>) -> bool {
    match value {
        Value::Json(_) => true,
        Value::MessagePack(bytes) => matches!(bytes.first(), Some(0x90..=0x9f | 0xdc | 0xdd)),
    }
}

fn encode(protocol: Protocol, message: &HubMessage<'_>) -> Vec<u8> {
    let mut written = Vec::new();
    protocol.encode(message, &mut written);
    match protocol {
        Protocol::Json => {
            let end = written.iter().position(|byte| *byte == 0x1e);
            assert_eq!(end, Some(written.len() - 1), "the only record separator is at the end");
        }
        // Its length stands in front, which decoding checks.
        Protocol::MessagePack => {}
    }
    written
}

fn bind_arguments(protocol: Protocol, arguments: &Arguments<'_>) {
    let bind = |expected: usize| {
        let mut binder = arguments.bind(expected)?;
        for _ in 0..expected {
            binder.next::<Any>()?;
        }
        binder.finish()
    };
    for expected in 0..4 {
        let _ = bind(expected);
    }
    if let Ok(bound) = bind_mixed(arguments) {
        let mut written = Vec::new();
        protocol.encode_arguments(&bound, &mut written).expect("numbers that were read can be written");
        let again = bind_mixed(&protocol.arguments(&written)).expect("what we write binds");
        let mut rewritten = Vec::new();
        protocol.encode_arguments(&again, &mut rewritten).expect("it was written before");
        assert_eq!(rewritten, written);
    }
}

type Mixed = (i32, String, Option<Vec<f64>>);

fn bind_mixed(arguments: &Arguments<'_>) -> Result<Mixed, signalhub_protocol::BindError> {
    let mut binder = arguments.bind(3)?;
    let bound = (binder.next()?, binder.next()?, binder.next()?);
    binder.finish().map(|()| bound)
}

/// What can be bound can be written, and binds to the same again.
fn bind_value(protocol: Protocol, value: &Value<'_>) {
    let _ = value.bind::<i64>();
    let _ = value.bind::<u8>();
    let _ = value.bind::<f64>();
    let _ = value.bind::<bool>();
    let _ = value.bind::<char>();
    let _ = value.bind::<BTreeMap<String, Vec<u32>>>();
    let _ = value.bind::<(i32, String)>();
    let _ = value.bind::<Box<serde_json::value::RawValue>>();
    if let Ok(any) = value.bind::<Any>() {
        let mut written = Vec::new();
        // A value as deep as a message may be was read, but may not be written again.
        if protocol.encode_value(&any, &mut written).is_ok() {
            // Compared as bytes, because 210.0 is written as 210 in JSON, which is an integer when it is read again.
            let again = protocol.value(&written).bind::<Any>().expect("what we write binds");
            let mut rewritten = Vec::new();
            protocol.encode_value(&again, &mut rewritten).expect("it was written before");
            assert_eq!(rewritten, written);
        }
    }
}
