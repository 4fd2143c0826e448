use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use time::macros::datetime;

use super::bind;
use crate::{AnyValue, Timestamp};
use crate::{Arguments, BindError};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Order {
    id: i32,
    ship_to: Option<Address>,
    lines: Vec<Line>,
}

impl Default for Order {
    fn default() -> Self {
        Self { id: 7, ship_to: None, lines: Vec::new() }
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Address {
    #[serde(rename = "Town")]
    city: String,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Line {
    Empty,
    Text(String),
    Pair(i32, i32),
    Goods { number: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    a: i32,
}

#[track_caller]
fn check<T: DeserializeOwned + PartialEq + Debug>(value: &[u8], expected: T) {
    assert_eq!(bind::<T>(value), Ok(expected), "{}", value.escape_ascii());
}

#[track_caller]
fn check_refused<T: DeserializeOwned + Debug>(value: &[u8]) {
    let bound = bind::<T>(value);
    assert!(matches!(bound, Err(BindError::Conversion { .. })), "{}: {bound:?}", value.escape_ascii());
}

#[test]
fn fields_have_the_names_of_dot_net_or_those_of_serde() {
    check(b"\x81\xa2Id\x01", Order { id: 1, ..Order::default() });
    check(b"\x81\xa2id\x01", Order { id: 1, ..Order::default() });
    // Other spellings and other fields are passed over, whatever they hold.
    check(b"\x82\xa2ID\x01\xa5Other\x91\xc7\0\x05", Order::default());
    let town = || Some(Address { city: "x".into() });
    check(b"\x81\xa6ShipTo\x81\xa4Town\xa1x", Order { ship_to: town(), ..Order::default() });
    check(b"\x81\xa6shipTo\x81\xa4Town\xa1x", Order { ship_to: town(), ..Order::default() });
    check(b"\x81\xa6ShipTo\xc0", Order::default());
    check(b"\x82\xa2Id\xa1x\xa2id\x02", Order { id: 2, ..Order::default() });
    check(b"\x81\xa1A\x01", Strict { a: 1 });
    check_refused::<Strict>(b"\x82\xa1a\x01\xa1b\x01");
    check_refused::<Order>(b"\x91\x07");
    check_refused::<Order>(b"\x81\x01\x01");
    check_refused::<Order>(b"\xc0");
}

#[test]
fn enums_have_exact_names() {
    let lines = vec![Line::Empty, Line::Text("t".into()), Line::Pair(1, 2), Line::Goods { number: 3 }];
    let bytes = b"\x94\xa5Empty\x81\xa4Text\xa1t\x81\xa4Pair\x92\x01\x02\x81\xa5Goods\x81\xa6Number\x03";
    check(bytes, lines);
    check(b"\x81\xa5Empty\xc0", Line::Empty);
    for bytes in [&b"\xa5empty"[..], b"\xa4None", b"\x00", b"\xc0", b"\x80", b"\x82\xa4Text\xa1t\xa5Empty\xc0", b"\x90"]
    {
        check_refused::<Line>(bytes);
    }
}

#[test]
fn types_are_strict() {
    for bytes in [&b"\x05"[..], b"\xcc\x05", b"\xd1\0\x05", b"\xd3\0\0\0\0\0\0\0\x05", b"\xcf\0\0\0\0\0\0\0\x05"] {
        check(bytes, 5i32);
        check(bytes, 5u8);
        check(bytes, 5.0f32);
        check(bytes, 5i128);
    }
    check(b"\xca\x3f\xc0\0\0", 1.5f64);
    check(b"\xcb\x3f\xf8\0\0\0\0\0\0", 1.5f32);
    assert!(bind::<f64>(b"\xcb\x7f\xf8\0\0\0\0\0\0").unwrap().is_nan());
    check(b"\xc0", None::<i32>);
    check(b"\xc0", ());
    check(b"\x61", 'a');
    check(b"\xa1a", 'a');
    check(b"\x82\x01\xc3\xa1\x32\xc2", BTreeMap::from([(1, true), (2, false)]));
    check(b"\x92\x01\xa1x", (1, "x".to_owned()));
    for bytes in [
        &b"\xcb\x40\x14\0\0\0\0\0\0"[..],
        b"\xc0",
        b"\xff",
        b"\xcd\x01\0",
        b"\xa11",
        b"\xc3",
        b"\x91\x01",
        b"",
        b"\xc1",
    ] {
        check_refused::<u8>(bytes);
    }
    for bytes in [&b"\x05"[..], b"\xc4\x01a", b"\xc0", b"\xa1\xff", b"\xa2x", b"\xc7\0\x05"] {
        check_refused::<String>(bytes);
    }
    check_refused::<bool>(b"\x01");
    check_refused::<char>(b"\xcd\xd8\0");
    check_refused::<char>(b"\xff");
    check_refused::<(i32, i32)>(b"\x93\x01\x02\x03");
    check_refused::<(i32, i32)>(b"\x91\x01");
    check_refused::<Vec<i32>>(b"\x81\x01\x02");
    check_refused::<HashMap<i32, i32>>(b"\x92\x01\x02");
    check_refused::<HashMap<i32, i32>>(b"\x81\xa1x\x02");
    check_refused::<serde_json::Value>(b"\xc7\0\x05");
}

#[test]
fn nil_is_an_object_that_may_be_missing() {
    check(b"\xc0", None::<Order>);
    check(b"\x81\xa2Id\x01", Some(Order { id: 1, ..Order::default() }));
    check(b"\x92\xc0\x81\xa2Id\x02", vec![None, Some(Order { id: 2, ..Order::default() })]);
    check_refused::<Order>(b"\xc0");
}

#[test]
fn a_list_is_no_bytes() {
    check(b"\xc4\x02\x01\x02", bytes::Bytes::from_static(&[1, 2]));
    check_refused::<bytes::Bytes>(b"\x92\x01\x02");
    check_refused::<bytes::Bytes>(b"\x90");
    check_refused::<bytes::Bytes>(b"\x05");
}

#[test]
fn bytes_may_be_a_list_and_times_may_be_text() {
    check(b"\xc4\x02\x01\x02", vec![1u8, 2]);
    check(b"\xc4\x02\x01\x02", [1u8, 2]);
    check_refused::<[u8; 2]>(b"\xc4\x03\x01\x02\x03");
    let time = datetime!(2023-11-14 13:24:16 UTC);
    check(b"\xd6\xff\x65\x53\x75\0", Timestamp(time));
    check(b"\xd6\xff\x65\x53\x75\0", "2023-11-14T13:24:16Z".to_owned());
    check(b"\xb42023-11-14T13:24:16Z", Timestamp(time));
    check_refused::<Timestamp>(b"\xd4\xff\x65");
    check_refused::<Timestamp>(b"\xd6\x05\x65\x53\x75\0");
}

#[test]
fn any_value_keeps_its_bytes_and_is_one_that_all_can_read() {
    for bytes in
        [&b"\xca\x3f\xc0\0\0"[..], b"\xc4\x01\x07", b"\xd6\xff\x65\x53\x75\0", b"\x92\xcc\x05\x81\x01\x02", b"\xc0"]
    {
        let followed = [bytes, b"\x01"].concat();
        assert_eq!(bind::<AnyValue>(&followed).map(|value| value.as_value().as_bytes().to_vec()), Ok(bytes.to_vec()));
    }
    for bytes in [
        &b"\xc7\0\x05"[..],
        b"\x91\xd4\xff\x01",
        b"\xa1\xff",
        b"\x91",
        b"\xc1",
        b"\xca\x7f\xc0\0\0",
        b"\x91\xcb\xff\xf0\0\0\0\0\0\0",
        b"\x81\xc0\x01",
        b"\x81\x90\x01",
        b"\x82\x01\x02\x01\x03",
    ] {
        check_refused::<AnyValue>(bytes);
        check_refused::<Box<RawValue>>(bytes);
    }
    let raw = bind::<Box<RawValue>>(b"\x82\x01\xc4\x01\x07\xa1t\xd6\xff\x65\x53\x75\0").unwrap();
    assert_eq!(raw.get(), r#"{"1":"Bw==","t":"2023-11-14T13:24:16Z"}"#);
    let refused = bind::<Box<RawValue>>(b"\xcb\x7f\xf8\0\0\0\0\0\0");
    assert!(refused.is_err(), "{refused:?}");
    check(b"\x81\xa1a\x92\x01\xca\x3f\xc0\0\0", json!({"a": [1, 1.5]}));
}

#[test]
fn a_float_that_is_not_finite_is_read_as_a_float_alone() {
    let (infinity, narrow) = (b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xca\xff\x80\0\0");
    check(infinity, f64::INFINITY);
    check(infinity, Some(f32::INFINITY));
    check(narrow, f64::NEG_INFINITY);
    // It would become null.
    check_refused::<serde_json::Value>(infinity);
    check_refused::<serde_json::Value>(&[&[0x91][..], narrow].concat());
}

#[test]
fn nesting_without_end_is_refused() {
    for depth in [65, 100_000] {
        check_refused::<serde_json::Value>(&[0x91].repeat(depth));
        check_refused::<serde_json::Value>(&[&[0x91].repeat(depth)[..], &[0xC0]].concat());
        check_refused::<serde_json::Value>(&[&b"\x81\xa0".repeat(depth)[..], &[0xC0]].concat());
        check_refused::<AnyValue>(&[&[0x91].repeat(depth)[..], &[0xC0]].concat());
    }
    assert!(bind::<serde_json::Value>(&[&[0x91].repeat(64)[..], &[0xC0]].concat()).is_ok());
}

/// Calls a method of two numbers and returns the text that its caller gets.
fn call_add(arguments: &[u8]) -> Result<i32, String> {
    let add = || {
        let mut binder = Arguments::MessagePack(arguments).bind(2)?;
        let sum = binder.next::<i32>()? + binder.next::<i32>()?;
        binder.finish()?;
        Ok(sum)
    };
    add().map_err(|error: BindError| format!("{}: {error}", error.exception()))
}

#[test]
fn a_wrong_number_of_arguments_wins_over_wrong_ones() {
    let count =
        |provided| format!("InvalidDataException: Invocation provides {provided} argument(s) but target expects 2.");
    let no_array = "InvalidDataException: Reading array length for 'arguments' failed.".to_owned();
    let conversion =
        "InvalidDataException: Error binding arguments. Make sure that the types of the provided values match \
                      the types of the hub method being invoked."
            .to_owned();
    for (arguments, expected) in [
        (&b"\x92\x01\x02"[..], Ok(3)),
        (b"\x93\xa1x\x02\x03", Err(count(3))),
        (b"\x91\xa1x", Err(count(1))),
        (b"\x92\x01\xa1x", Err(conversion)),
        (b"\x05", Err(no_array.clone())),
        (b"\xc0", Err(no_array.clone())),
        (b"\x80", Err(no_array.clone())),
        (b"\xdd\xff\xff\xff\xff", Err(no_array.clone())),
        (b"", Err(no_array)),
    ] {
        assert_eq!(call_add(arguments), expected, "{}", arguments.escape_ascii());
    }
}
