use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{write_arguments, write_value};
use crate::EncodeError;
use crate::{AnyValue, Value};

fn written<T: Serialize + ?Sized>(value: &T) -> Result<String, EncodeError> {
    let mut out = b"before ".to_vec();
    let result = write_value(value, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(result.is_ok() || text == "before ", "{text}");
    result.map(|()| text["before ".len()..].to_owned())
}

#[track_caller]
fn check<T: Serialize + ?Sized>(value: &T, expected: &str) {
    assert_eq!(written(value).as_deref(), Ok(expected));
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    ticket_id: u64,
    owner: Option<String>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<()>,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Open,
    Named(char),
    Moved(i8, i8),
    Closed { by: &'static str },
}

#[derive(Serialize)]
struct Nothing;

#[derive(Serialize)]
struct Metres(f32);

#[test]
fn types_have_the_form_that_serde_json_gives_them() {
    let ticket = Ticket { ticket_id: 7, owner: None, state: State::Closed { by: "é\n" }, note: None };
    check(&ticket, r#"{"ticketId":7,"owner":null,"state":{"Closed":{"by":"é\n"}}}"#);
    check(&[State::Open, State::Named('"'), State::Moved(1, -1)], r#"["Open",{"Named":"\""},{"Moved":[1,-1]}]"#);
    check(
        &(Nothing, Metres(0.1), true, (), i128::MIN),
        "[null,0.1,true,null,-170141183460469231731687303715884105728]",
    );
    check::<[u8]>(&[], "[]");
    check(&BTreeMap::<String, ()>::new(), "{}");
    check(&(1e21, -0.0, 1e-7, 2.5f64), "[1E+21,-0,1E-07,2.5]");
}

#[test]
fn keys_are_strings_or_become_strings() {
    check(&BTreeMap::from([("A\"", 1), ("b", 2)]), r#"{"A\"":1,"b":2}"#);
    check(&BTreeMap::from([(-1, 1), (2, 2)]), r#"{"-1":1,"2":2}"#);
    check(&BTreeMap::from([(false, 1), (true, 2)]), r#"{"false":1,"true":2}"#);
    check(&BTreeMap::from([(State::Open, 1)]), r#"{"Open":1}"#);
    assert_eq!(written(&BTreeMap::from([(None::<i32>, 1)])), Err(EncodeError::Key));
    assert_eq!(written(&BTreeMap::from([((1, 2), 1)])), Err(EncodeError::Key));
    assert_eq!(written(&BTreeMap::from([(State::Moved(1, 1), 1)])), Err(EncodeError::Key));
}

#[test]
fn raw_values_pass_as_they_are() {
    let raw = RawValue::from_string("{ \"a\" : 2.50 }".to_owned()).unwrap();
    check(&(1, &raw), "[1,{ \"a\" : 2.50 }]");
    check(&BTreeMap::from([("x", raw)]), r#"{"x":{ "a" : 2.50 }}"#);
}

#[test]
fn no_line_break_of_a_raw_value_is_written() {
    let text = "\r{\n\r\n\t\"a\\r\\n\"\r:\n\n[1,\r\n2]\r\n}\n";
    let expected = " {   \t\"a\\r\\n\" :  [1,  2]  } ";
    let any = Value::Json(text.as_bytes()).bind::<AnyValue>().unwrap();
    // Both leave out what stands around the value.
    check(&any, expected.trim());
    check(&RawValue::from_string(text.to_owned()).unwrap(), expected.trim());
    check(&(Value::Json(text.as_bytes()), [any]), &format!("[{expected},[{}]]", expected.trim()));
}

#[test]
fn what_json_cannot_express_is_refused_whole() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(written(&(1, number)), Err(EncodeError::NotFinite));
        assert_eq!(written(&[number as f32]), Err(EncodeError::NotFinite));
    }
    let nested = |depth| (0..depth).fold(serde_json::Value::Null, |inner, _| [inner].into_iter().collect());
    assert!(written(&nested(64)).is_ok());
    assert_eq!(written(&nested(65)), Err(EncodeError::Depth));
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    assert_eq!(written(&(1, Failing)), Err(EncodeError::Serialize("not today".into())));
}

#[test]
fn arguments_are_an_array() {
    let arguments = |value: &dyn Fn(&mut Vec<u8>) -> Result<(), EncodeError>| {
        let mut out = b"before ".to_vec();
        let result = value(&mut out);
        result.map(|()| String::from_utf8(out).unwrap())
    };
    assert_eq!(arguments(&|out| write_arguments(&(), out)).as_deref(), Ok("before []"));
    assert_eq!(arguments(&|out| write_arguments(&(1, "x", None::<()>), out)).as_deref(), Ok("before [1,\"x\",null]"));
    assert_eq!(arguments(&|out| write_arguments(&vec![1, 2], out)).as_deref(), Ok("before [1,2]"));
    assert_eq!(arguments(&|out| write_arguments(&("x",), out)).as_deref(), Ok("before [\"x\"]"));
    assert_eq!(arguments(&|out| write_arguments("x", out)), Err(EncodeError::NotATuple));
    assert_eq!(arguments(&|out| write_arguments(&(f64::NAN,), out)), Err(EncodeError::NotFinite));
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
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
    fn every_value_reads_back(value in any_value()) {
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written(&value).unwrap()).unwrap(), value);
    }
}
