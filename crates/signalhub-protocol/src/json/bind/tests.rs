use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::bind;
use crate::AnyValue;
use crate::{Arguments, BindError};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    id: i32,
    #[serde(default)]
    ship_to: Option<Address>,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    notes: HashMap<String, Line>,
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
struct Wrapped(Address);

#[derive(Debug, PartialEq, Deserialize)]
struct Twins {
    a: i32,
    #[serde(rename = "A")]
    capital: i32,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[allow(dead_code)]
    a: i32,
}

#[track_caller]
fn check<T: DeserializeOwned + PartialEq + Debug>(text: &str, expected: T) {
    assert_eq!(bind::<T>(text.as_bytes()), Ok(expected), "{text}");
}

#[track_caller]
fn check_refused<T: DeserializeOwned + Debug>(text: &[u8]) {
    let bound = bind::<T>(text);
    assert!(matches!(bound, Err(BindError::Conversion { .. })), "{}: {bound:?}", text.escape_ascii());
}

fn order(id: i32) -> Order {
    Order { id, ship_to: None, lines: Vec::new(), notes: HashMap::new() }
}

#[test]
fn fields_match_whatever_their_case_at_every_depth() {
    for text in [r#"{"id":1}"#, r#"{"ID":1}"#, r#"{"Id":1,"unknown":[{}]}"#, r#"{"\u0069D":1}"#] {
        check(text, order(1));
    }
    let town = || Address { city: "x".into() };
    check(r#"{"Id":1,"SHIPTO":{"town":"x"}}"#, Order { ship_to: Some(town()), ..order(1) });
    check(r#"{"Id":1,"shipto":null}"#, order(1));
    check(r#"[{"town":"x"}]"#, vec![Wrapped(town())]);
    let lines = vec![Line::Empty, Line::Text("t".into()), Line::Pair(1, 2), Line::Goods { number: 3 }];
    check(
        r#"{"id":1,"LINES":["Empty",{"text":"t"},{"pair":[1,2]},{"Goods":{"NUMBER":3}}]}"#,
        Order { lines, ..order(1) },
    );
    let notes = HashMap::from([("Key".to_owned(), Line::Goods { number: 3 })]);
    check(r#"{"id":1,"Notes":{"Key":{"goods":{"Number":3}}}}"#, Order { notes, ..order(1) });
    check(
        r#"{"id":1,"Notes":{"Key":"empty"}}"#,
        Order { notes: HashMap::from([("Key".into(), Line::Empty)]), ..order(1) },
    );
}

#[test]
fn the_last_member_for_a_field_counts_and_an_exact_name_goes_first() {
    check(r#"{"id":1,"ID":2,"Id":3}"#, order(3));
    check(r#"{"id":"no number","ID":2}"#, order(2));
    check(r#"{"a":1,"A":2}"#, Twins { a: 1, capital: 2 });
    check(r#"{"A":2,"a":1}"#, Twins { a: 1, capital: 2 });
    check_refused::<Strict>(br#"{"a":1,"b":2}"#);
    check(r#"{"A":1}"#, Strict { a: 1 });
}

#[test]
fn types_are_strict() {
    check("-0", 0);
    check("255", 255u8);
    check("1e2", 100.0);
    check("7", 7.0);
    check("0.1", 0.1f32);
    check("null", ());
    check("null", None::<i32>);
    check("7", Some(7));
    check("170141183460469231731687303715884105727", i128::MAX);
    check(r#""\ud83d\ude00é""#, "😀é".to_owned());
    check(r#"{"1":true,"-2":false}"#, BTreeMap::from([(1, true), (-2, false)]));
    check("[1,\"x\"]", (1, "x".to_owned()));
    for text in ["1.0", "1e2", "256", "-1", "\"1\"", "null", "true", "[1]", "1 1", "", "01", "{}"] {
        check_refused::<u8>(text.as_bytes());
    }
    for text in [b"1e400".as_slice(), b"\"1\"", b"null", b"NaN"] {
        check_refused::<f64>(text);
    }
    for text in [b"1".as_slice(), b"null", br#""\ud83d""#, br#""\ude00""#, b"\"\xff\"", b"\"x", b"[\"x\"]"] {
        check_refused::<String>(text);
    }
    check_refused::<f32>(b"1e39");
    check_refused::<bool>(b"1");
    check_refused::<()>(b"0");
    check_refused::<(i32, i32)>(b"[1,2,3]");
    check_refused::<(i32, i32)>(b"[1]");
    check_refused::<Order>(b"[1]");
    check_refused::<Order>(b"{}");
    check_refused::<Line>(br#"{"text":"a","empty":null}"#);
    check_refused::<Line>(b"{}");
    check_refused::<Line>(b"\"none\"");
}

#[test]
fn a_raw_value_keeps_its_spelling() {
    let raw = bind::<Box<RawValue>>(b"{ \"a\": 2.50 }").unwrap();
    assert_eq!(raw.get(), "{ \"a\": 2.50 }");
    let raws = bind::<HashMap<String, Box<RawValue>>>(br#"{"a":[1, 2]}"#).unwrap();
    assert_eq!(raws["a"].get(), "[1, 2]");
    check_refused::<Box<RawValue>>(b"\"\xff\"");
}

#[test]
fn a_value_that_is_passed_on_is_one_that_all_can_read() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for text in [r#""\ud83d""#, r#"{"\udc00":1}"#, "[1e309]", "-1E999", &deep(63)] {
        check_refused::<Box<RawValue>>(text.as_bytes());
        check_refused::<AnyValue>(text.as_bytes());
        check_refused::<HashMap<String, AnyValue>>(format!("{{\"a\":{text}}}").as_bytes());
    }
    for text in [r#""\ud83d\ude00""#, "[1e308,-0]", r#"{"a":1,"a":2}"#, "100000000000000000000", &deep(62)] {
        assert_eq!(bind::<AnyValue>(text.as_bytes()).unwrap().as_value().as_bytes(), text.as_bytes());
    }
}

#[test]
fn bytes_are_base64_with_white_space_anywhere_and_no_array() {
    let bytes = |text: &'static [u8]| Bytes::from_static(text);
    check(r#""AQID""#, bytes(&[1, 2, 3]));
    for text in [r#"" AQID""#, r#""A Q\tI\r\nD""#, r#""AQID\n""#] {
        check(text, bytes(&[1, 2, 3]));
    }
    for text in [r#""AQ==""#, r#""AQ= =""#, r#""AQ=\n=""#] {
        check(text, bytes(&[1]));
    }
    check(r#"" ""#, bytes(&[]));
    for text in
        ["[1,2]", "[]", "5", "{}", "null", r#""AQI""#, r#""____""#, r#""AR==""#, r#""AQ\u000bID""#, r#""AQID\u0000""#]
    {
        check_refused::<Bytes>(text.as_bytes());
    }
}

#[test]
fn nesting_without_end_is_refused() {
    check_refused::<serde_json::Value>("[".repeat(100_000).as_bytes());
    check_refused::<serde_json::Value>("{\"a\":".repeat(100_000).as_bytes());
}

/// Calls a method of two numbers and returns the text that its caller gets.
fn call_add(arguments: &[u8]) -> Result<i32, String> {
    let add = || {
        let mut binder = Arguments::Json(arguments).bind(2)?;
        let sum = binder.next::<i32>()? + binder.next::<i32>()?;
        binder.finish()?;
        Ok(sum)
    };
    add().map_err(|error: BindError| format!("{}: {error}", error.exception()))
}

#[test]
fn a_wrong_argument_wins_over_a_wrong_number_of_them_if_it_comes_first() {
    let count = |provided| {
        Err(format!("InvalidDataException: Invocation provides {provided} argument(s) but target expects 2."))
    };
    let conversion =
        Err("InvalidDataException: Error binding arguments. Make sure that the types of the provided values \
        match the types of the hub method being invoked."
            .to_owned());
    let rows: [(&[u8], _); 12] = [
        (b"[2,3]", Ok(5)),
        (b" [ 2 , 3 ] ", Ok(5)),
        (b"[]", count(0)),
        (b"[1]", count(1)),
        (b"[1,2,3]", count(3)),
        (b"[1,2,{},\"\xff\",[]]", count(5)),
        (b"[\"x\"]", conversion.clone()),
        (b"[\"x\",1,2]", conversion.clone()),
        (b"[1,\"x\",2]", conversion.clone()),
        (b"[1,2.0]", conversion.clone()),
        (b"[1,null]", conversion.clone()),
        (b"5", conversion),
    ];
    for (arguments, expected) in rows {
        assert_eq!(call_add(arguments), expected, "{}", arguments.escape_ascii());
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        prop::num::f64::NORMAL.prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arguments_bind_to_what_serde_json_reads(values in prop::collection::vec(any_value(), 0..6)) {
        let array = serde_json::to_vec(&values).unwrap();
        let mut binder = Arguments::Json(&array).bind(values.len()).unwrap();
        for value in &values {
            prop_assert_eq!(&binder.next::<serde_json::Value>().unwrap(), value);
        }
        binder.finish().unwrap();
    }
}
