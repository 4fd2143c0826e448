//! Whatever a client sends: no panic, and a message that was read can be written and read again.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde_json::Value as Any;
use signalhub_protocol::{Arguments, HubMessage, Outcome, Protocol, Value};

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    while let Ok(Some((message, consumed))) = Protocol::Json.decode(rest) {
        assert!(0 < consumed && consumed <= rest.len());
        check(&message);
        rest = &rest[consumed..];
    }
});

fn check(message: &HubMessage<'_>) {
    match message {
        HubMessage::Invocation(call) | HubMessage::StreamInvocation(call) => bind_arguments(&call.arguments),
        HubMessage::StreamItem(item) => bind_value(&item.item),
        HubMessage::Completion(completion) => {
            if let Outcome::Result(value) = &completion.outcome {
                bind_value(value);
            }
        }
        // It has no written form.
        HubMessage::Unknown(_) => return,
        _ => {}
    }
    let written = encode(message);
    let (again, consumed) = Protocol::Json.decode(&written).expect("what we write is read").expect("and complete");
    assert_eq!(consumed, written.len());
    assert_eq!(encode(&again), written, "what is read again is written the same");
}

fn encode(message: &HubMessage<'_>) -> Vec<u8> {
    let mut written = Vec::new();
    Protocol::Json.encode(message, &mut written);
    assert_eq!(written.iter().position(|byte| *byte == 0x1e), Some(written.len() - 1), "one record is one record");
    written
}

fn bind_arguments(arguments: &Arguments<'_>) {
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
    let mixed = || {
        let mut binder = arguments.bind(3)?;
        let bound = (binder.next::<i32>()?, binder.next::<String>()?, binder.next::<Option<Vec<f64>>>()?);
        binder.finish().map(|()| bound)
    };
    if let Ok(bound) = mixed() {
        let mut written = Vec::new();
        Protocol::Json.encode_arguments(&bound, &mut written).expect("numbers that were read are finite");
        bind_arguments_again(&written, &bound);
    }
}

fn bind_arguments_again(written: &[u8], bound: &(i32, String, Option<Vec<f64>>)) {
    let mut binder = Protocol::Json.arguments(written).bind(3).expect("an array");
    assert_eq!(binder.next::<i32>().as_ref(), Ok(&bound.0));
    assert_eq!(binder.next::<String>().as_ref(), Ok(&bound.1));
    assert_eq!(binder.next::<Option<Vec<f64>>>().as_ref(), Ok(&bound.2));
    assert_eq!(binder.finish(), Ok(()));
}

/// What can be bound can be written, and binds to the same again.
fn bind_value(value: &Value<'_>) {
    let _ = value.bind::<i64>();
    let _ = value.bind::<u8>();
    let _ = value.bind::<f64>();
    let _ = value.bind::<bool>();
    let _ = value.bind::<char>();
    let _ = value.bind::<BTreeMap<String, Vec<u32>>>();
    let _ = value.bind::<(i32, String)>();
    if let Ok(any) = value.bind::<Any>() {
        let mut written = Vec::new();
        // A value as deep as a message may be was read, but may not be written again.
        if Protocol::Json.encode_value(&any, &mut written).is_ok() {
            // Compared as text, because 210.0 is written as 210, which is an integer when it is read again.
            let again = Protocol::Json.value(&written).bind::<Any>().expect("what we write binds");
            let mut rewritten = Vec::new();
            Protocol::Json.encode_value(&again, &mut rewritten).expect("it was written before");
            assert_eq!(rewritten, written);
        }
    }
}
