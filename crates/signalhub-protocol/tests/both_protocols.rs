//! What one protocol encodes means the same in the other.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signalhub_protocol::{
    AnyValue, Arguments, CancelInvocation, Close, Completion, EncodeError, Headers, HubMessage, Invocation, Outcome,
    Protocol, SequenceId, StreamItem, Timestamp, Value,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Everything {
    signed: (i8, i16, i32, i64),
    unsigned: (u8, u16, u32, u64),
    a_float: f64,
    narrow_float: f32,
    text: String,
    truth: bool,
    nothing: Option<u32>,
    unit: (),
    list: Vec<Kind>,
    by_name: BTreeMap<String, i32>,
    by_number: BTreeMap<i32, String>,
    time: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
enum Kind {
    Plain,
    Named(String),
    Pair(i32, bool),
    Detailed { text_of: String, number: Option<i32> },
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Plain),
        any::<String>().prop_map(Kind::Named),
        any::<(i32, bool)>().prop_map(|(number, truth)| Kind::Pair(number, truth)),
        any::<(String, Option<i32>)>().prop_map(|(text_of, number)| Kind::Detailed { text_of, number }),
    ]
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800_i64..253_402_300_800, 0..1_000_000_000_u32).prop_map(|(seconds, nanoseconds)| {
        let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        Timestamp(time.replace_nanosecond(nanoseconds).unwrap())
    })
}

fn everything() -> impl Strategy<Value = Everything> {
    let finite = (any::<f64>(), any::<f32>()).prop_filter("finite", |(wide, narrow)| {
        // JSON has no other numbers.
        wide.is_finite() && narrow.is_finite()
    });
    let maps = (any::<BTreeMap<String, i32>>(), any::<BTreeMap<i32, String>>());
    let plain = (any::<(i8, i16, i32, i64)>(), any::<(u8, u16, u32, u64)>(), any::<(String, bool, Option<u32>)>());
    (plain, finite, maps, prop::collection::vec(kind(), 0..20), timestamp()).prop_map(
        |((signed, unsigned, (text, truth, nothing)), (a_float, narrow_float), maps, list, time)| {
            let (by_name, by_number) = maps;
            let unit = ();
            Everything {
                signed,
                unsigned,
                a_float,
                narrow_float,
                text,
                truth,
                nothing,
                unit,
                list,
                by_name,
                by_number,
                time,
            }
        },
    )
}

fn encoded<T: Serialize>(protocol: Protocol, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    protocol.encode_value(value, &mut out).unwrap();
    out
}

fn bound<T: DeserializeOwned + Debug>(protocol: Protocol, value: &[u8]) -> T {
    protocol.value(value).bind().unwrap_or_else(|error| panic!("{error:?}: {}", value.escape_ascii()))
}

fn other(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::Json => Protocol::MessagePack,
        Protocol::MessagePack => Protocol::Json,
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|truth| json!(truth)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        (-1e300..1e300).prop_map(|number: f64| json!(number + 0.5)),
        any::<String>().prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(|list| json!(list)),
            prop::collection::btree_map(any::<String>(), inner, 0..20).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_reads_back_from_every_protocol(everything in everything(), letter: char, bytes: Vec<u8>) {
        for protocol in Protocol::ALL {
            prop_assert_eq!(&bound::<Everything>(protocol, &encoded(protocol, &everything)), &everything);
            // Only their type tells these from numbers and texts, so they cannot be passed on.
            let typed = (letter, Bytes::from(bytes.clone()));
            prop_assert_eq!(bound::<(char, Bytes)>(protocol, &encoded(protocol, &typed)), typed);
        }
    }

    #[test]
    fn a_value_that_is_passed_on_means_the_same(everything in everything()) {
        for protocol in Protocol::ALL {
            let value = encoded(protocol, &everything);
            let any = bound::<AnyValue>(protocol, &value);
            prop_assert_eq!(&encoded(protocol, &any), &value);
            let translated = encoded(other(protocol), &any);
            prop_assert_eq!(&bound::<Everything>(other(protocol), &translated), &everything);
        }
    }

    #[test]
    fn json_without_a_type_means_the_same(value in any_json()) {
        let json = encoded(Protocol::Json, &value);
        let message_pack = encoded(Protocol::MessagePack, &Value::Json(&json));
        prop_assert_eq!(&bound::<serde_json::Value>(Protocol::MessagePack, &message_pack), &value);
        let back = encoded(Protocol::Json, &Value::MessagePack(&message_pack));
        prop_assert_eq!(&back, &json);
    }

    #[test]
    fn a_message_means_the_same(message in message()) {
        let [json, message_pack] = Protocol::ALL.map(|protocol| {
            let mut out = Vec::new();
            protocol.encode(&message, &mut out);
            let (decoded, consumed) = protocol.decode(&out).unwrap().unwrap();
            assert_eq!(consumed, out.len());
            // What was read can be written in the other protocol, too.
            let mut translated = Vec::new();
            other(protocol).encode(&decoded, &mut translated);
            let (again, _) = other(protocol).decode(&translated).unwrap().unwrap();
            assert_eq!(meaning(&again), meaning(&decoded));
            meaning(&decoded)
        });
        prop_assert_eq!(json, message_pack);
    }
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| if text.is_empty() { "0".to_owned() } else { text })
}

fn headers() -> impl Strategy<Value = Headers<'static>> {
    prop::collection::btree_map(text(), text(), 0..3).prop_map(|pairs| {
        let mut headers = Headers::default();
        pairs.into_iter().for_each(|(name, text)| headers.set(name, text));
        headers
    })
}

fn value() -> impl Strategy<Value = Value<'static>> {
    const VALUES: [Value<'static>; 6] = [
        Value::Json(b"null"),
        Value::Json(br#"{"a":[{},"}",1.5]}"#),
        Value::Json(b"\"\\u0041\""),
        Value::MessagePack(b"\xc0"),
        Value::MessagePack(b"\x81\xa1a\x92\x01\xa1b"),
        Value::MessagePack(b"\xcb\x3f\xf8\0\0\0\0\0\0"),
    ];
    prop::sample::select(VALUES.as_slice())
}

fn invocation() -> impl Strategy<Value = Invocation<'static>> {
    const ARGUMENTS: [Arguments<'static>; 4] = [
        Arguments::Json(b"[]"),
        Arguments::Json(b"[1,\"]\"]"),
        Arguments::MessagePack(b"\x90"),
        Arguments::MessagePack(b"\x92\x90\xa1x"),
    ];
    let arguments = prop::sample::select(ARGUMENTS.as_slice());
    (headers(), text(), text(), arguments, prop::collection::vec(text(), 0..3)).prop_map(
        |(headers, id, target, arguments, stream_ids)| Invocation {
            headers,
            invocation_id: Some(id.into()),
            stream_ids: stream_ids.into_iter().map(Into::into).collect(),
            ..Invocation::new(target, arguments)
        },
    )
}

fn message() -> impl Strategy<Value = HubMessage<'static>> {
    let outcome = prop_oneof![
        any::<String>().prop_map(|error| Outcome::Error(error.into())),
        value().prop_map(Outcome::Result),
        Just(Outcome::Void)
    ];
    prop_oneof![
        invocation().prop_map(HubMessage::Invocation),
        invocation().prop_map(HubMessage::StreamInvocation),
        (headers(), text(), value()).prop_map(|(headers, id, value)| {
            HubMessage::StreamItem(StreamItem { headers, ..StreamItem::new(id, value) })
        }),
        (headers(), text(), outcome).prop_map(|(headers, id, outcome)| {
            HubMessage::Completion(Completion { headers, ..Completion::new(id, outcome) })
        }),
        (headers(), text()).prop_map(|(headers, id)| {
            HubMessage::CancelInvocation(CancelInvocation { headers, ..CancelInvocation::new(id) })
        }),
        Just(HubMessage::Ping),
        (any::<Option<String>>(), any::<bool>()).prop_map(|(error, allow_reconnect)| {
            HubMessage::Close(Close { error: error.map(Into::into), allow_reconnect })
        }),
        any::<i64>().prop_map(|id| HubMessage::Ack(SequenceId(id))),
        any::<i64>().prop_map(|id| HubMessage::Sequence(SequenceId(id))),
    ]
}

/// Shows a message with its values as what they mean, so that those of two protocols can be compared.
fn meaning(message: &HubMessage<'_>) -> String {
    let value = |value: &Value<'_>| bound_value(value).to_string();
    let call = |call: &Invocation<'_>| {
        let array = match call.arguments {
            Arguments::Json(array) => Value::Json(array),
            Arguments::MessagePack(array) => Value::MessagePack(array),
        };
        format!("{:?}", (&call.headers, &call.invocation_id, &call.target, value(&array), &call.stream_ids))
    };
    match message {
        HubMessage::Invocation(invocation) => format!("1 {}", call(invocation)),
        HubMessage::StreamInvocation(invocation) => format!("4 {}", call(invocation)),
        HubMessage::StreamItem(item) => format!("{:?}", (&item.headers, &item.invocation_id, value(&item.item))),
        HubMessage::Completion(Completion { headers, invocation_id, outcome: Outcome::Result(result) }) => {
            format!("{:?}", (headers, invocation_id, value(result)))
        }
        other => format!("{other:?}"),
    }
}

fn bound_value(value: &Value<'_>) -> serde_json::Value {
    value.bind().unwrap_or_else(|error| panic!("{error:?}: {value:?}"))
}

#[test]
fn a_time_is_a_timestamp_here_and_text_there() {
    let time = Timestamp(time::macros::datetime!(2024-07-01 12:51:52.558 UTC));
    assert_eq!(encoded(Protocol::Json, &time), b"\"2024-07-01T12:51:52.558Z\"");
    let [kind, extension, ..] = encoded(Protocol::MessagePack, &time)[..] else { panic!("an extension") };
    assert_eq!((kind, extension), (0xD7, 0xFF));
}

#[test]
fn bytes_are_base64_here_and_bytes_there() {
    let bytes = Bytes::from_static(&[1, 2, 3, 0xFB]);
    assert_eq!(encoded(Protocol::Json, &bytes), b"\"AQID+w==\"");
    assert_eq!(encoded(Protocol::MessagePack, &bytes), b"\xc4\x04\x01\x02\x03\xfb");
    assert!(Value::Json(b"\"AQI\"").bind::<Bytes>().is_err());
}

#[test]
fn keys_other_than_strings_and_numbers_are_refused() {
    fn written<K: Serialize + Eq + std::hash::Hash>(protocol: Protocol, key: K) -> Result<(), EncodeError> {
        let mut out = b"before".to_vec();
        let result = protocol.encode_value(&HashMap::from([(key, 1)]), &mut out);
        assert_eq!(out == b"before", result.is_err(), "{}", out.escape_ascii());
        result
    }
    for protocol in Protocol::ALL {
        assert_eq!(written(protocol, (1, 2)), Err(EncodeError::Key));
        assert_eq!(written(protocol, [1, 2]), Err(EncodeError::Key));
        assert_eq!(written(protocol, ()), Err(EncodeError::Key));
        assert_eq!(written(protocol, None::<i32>), Err(EncodeError::Key));
        assert_eq!(written(protocol, BTreeMap::from([("a", 1)])), Err(EncodeError::Key));
        assert_eq!(written(protocol, "text"), Ok(()));
        assert_eq!(written(protocol, -1), Ok(()));
        assert_eq!(written(protocol, Some(1_u64)), Ok(()));
    }
    // JSON writes these keys as text.
    assert_eq!(written(Protocol::Json, true), Ok(()));
    assert_eq!(written(Protocol::MessagePack, true), Err(EncodeError::Key));
    assert_eq!(written(Protocol::MessagePack, Bytes::from_static(b"a")), Err(EncodeError::Key));
}
