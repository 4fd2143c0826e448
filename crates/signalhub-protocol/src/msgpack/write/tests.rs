use std::collections::BTreeMap;

use bytes_as_bin::Bin;
use serde::Serialize;
use serde_json::value::RawValue;
use time::macros::datetime;

use super::{write_arguments, write_value};
use crate::EncodeError;
use crate::{Timestamp, Value};

mod bytes_as_bin {
    use serde::{Serialize, Serializer};

    pub(super) struct Bin(pub(super) Vec<u8>);

    impl Serialize for Bin {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&self.0)
        }
    }
}

fn written<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = b"before".to_vec();
    let result = write_value(value, &mut out);
    assert!(result.is_ok() || out == b"before");
    result.map(|()| out[6..].to_vec())
}

#[track_caller]
fn check<T: Serialize + ?Sized>(value: &T, expected: &[u8]) {
    let written = written(value).map(|bytes| bytes.escape_ascii().to_string());
    assert_eq!(written, Ok(expected.escape_ascii().to_string()));
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
    Closed { by_whom: &'static str },
}

#[derive(Serialize)]
struct Nothing;

#[derive(Serialize)]
struct Metres(f32);

#[test]
fn integers_take_the_shortest_form() {
    for (number, expected) in [
        (0, &b"\x00"[..]),
        (127, b"\x7f"),
        (128, b"\xcc\x80"),
        (255, b"\xcc\xff"),
        (300, b"\xcd\x01\x2c"),
        (65_536, b"\xce\0\x01\0\0"),
        (i64::MAX, b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
        (-1, b"\xff"),
        (-32, b"\xe0"),
        (-33, b"\xd0\xdf"),
        (-129, b"\xd1\xff\x7f"),
        (-32_769, b"\xd2\xff\xff\x7f\xff"),
        (i64::MIN, b"\xd3\x80\0\0\0\0\0\0\0"),
    ] {
        check(&number, expected);
        check(&i128::from(number), expected);
    }
    check(&u128::from(u64::MAX), b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(written(&i128::MIN), Err(EncodeError::TooWide));
    assert_eq!(written(&u128::MAX), Err(EncodeError::TooWide));
}

#[test]
fn types_have_the_form_that_the_original_gives_them() {
    check(&1.5f64, b"\xcb\x3f\xf8\0\0\0\0\0\0");
    check(&Metres(1.5), b"\xca\x3f\xc0\0\0");
    check(&f64::INFINITY, b"\xcb\x7f\xf0\0\0\0\0\0\0");
    check(&(Nothing, (), None::<()>, true, false), b"\x95\xc0\xc0\xc0\xc3\xc2");
    check("hé", b"\xa3h\xc3\xa9");
    check(&"x".repeat(32), &[b"\xd9\x20", "x".repeat(32).as_bytes()].concat());
    check(&"x".repeat(256), &[b"\xda\x01\0", "x".repeat(256).as_bytes()].concat());
    check(&"x".repeat(65_536), &[b"\xdb\0\x01\0\0", "x".repeat(65_536).as_bytes()].concat());
    check(&Bin(vec![1, 2, 3]), b"\xc4\x03\x01\x02\x03");
    check(&Bin(vec![7; 256]), &[&b"\xc5\x01\0"[..], &[7; 256]].concat());
    check(&'a', b"\x61");
    check(&Timestamp(datetime!(2023-11-14 13:24:16 UTC)), b"\xd6\xff\x65\x53\x75\0");
    check(&BTreeMap::from([(1, "a")]), b"\x81\x01\xa1a");
}

#[test]
fn fields_are_named_as_those_of_dot_net_and_variants_as_they_are() {
    let ticket = Ticket { ticket_id: 7, owner: None, state: State::Closed { by_whom: "x" }, note: None };
    check(&ticket, b"\x83\xa8TicketId\x07\xa5Owner\xc0\xa5State\x81\xa6Closed\x81\xa6ByWhom\xa1x");
    check(&[State::Open, State::Named('"')], b"\x92\xa4Open\x81\xa5Named\x22");
    check(&State::Moved(1, -1), b"\x81\xa5Moved\x92\x01\xff");
    check(&BTreeMap::from([("camelCase", State::Open)]), b"\x81\xa9camelCase\xa4Open");
}

#[test]
fn heads_count_what_is_there_and_not_what_was_announced() {
    struct Announced(Option<usize>, u32);
    impl Serialize for Announced {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut seq = serializer.serialize_seq(self.0)?;
            (0..self.1).try_for_each(|_| seq.serialize_element(&1))?;
            seq.end()
        }
    }
    for len in [None, Some(0), Some(3), Some(15), Some(16), Some(70_000)] {
        check(&Announced(len, 3), b"\x93\x01\x01\x01");
        check(&(Announced(len, 20), 2), &[&b"\x92\xdc\0\x14"[..], &[1; 20], &[2]].concat());
        check(&Announced(len, 65_536), &[&b"\xdd\0\x01\0\0"[..], &[1; 65_536]].concat());
    }
}

#[test]
fn json_is_written_as_what_it_means_with_names_as_they_are() {
    let text = r#"{"camelCase":[1,-1,2.5,true,null,"é"]}"#;
    let expected = b"\x81\xa9camelCase\x96\x01\xff\xcb\x40\x04\0\0\0\0\0\0\xc3\xc0\xa2\xc3\xa9";
    check(&RawValue::from_string(text.to_owned()).unwrap(), expected);
    check(&serde_json::from_str::<serde_json::Value>(text).unwrap(), expected);
    check(&Value::Json(text.as_bytes()), expected);
    check(&Value::MessagePack(b"\xc7\0\x05"), b"\xc7\0\x05");
    assert!(written(&Value::Json(b"[1,")).is_err());
}

#[test]
fn of_members_with_one_name_the_last_one_is_written() {
    for (text, expected) in [
        (r#"{"a":1,"a":2}"#, &b"\x81\xa1a\x02"[..]),
        (r#"{"a":[1],"b":true,"\u0061":{"c":1,"c":2},"d":4}"#, b"\x83\xa1b\xc3\xa1a\x81\xa1c\x02\xa1d\x04"),
        (r#"[{"a":1,"b":2,"a":3,"b":4},5]"#, b"\x92\x82\xa1a\x03\xa1b\x04\x05"),
    ] {
        check(&Value::Json(text.as_bytes()), expected);
    }
    let members: Vec<_> = (0..40_000).map(|number| format!("\"{}\":{number}", number % 20)).collect();
    let written = written(&Value::Json(format!("{{{}}}", members.join(",")).as_bytes())).unwrap();
    assert!(written.starts_with(b"\xde\0\x14\xa10\xcd\x9c\x2c\xa11\xcd\x9c\x2d"), "{}", written.escape_ascii());
}

#[test]
fn arguments_are_arrays() {
    let written = |write: &dyn Fn(&mut Vec<u8>) -> Result<(), EncodeError>| {
        let mut out = Vec::new();
        write(&mut out).map(|()| out)
    };
    assert_eq!(written(&|out| write_arguments(&(), out)), Ok(vec![0x90]));
    assert_eq!(written(&|out| write_arguments(&(1, "x"), out)), Ok(b"\x92\x01\xa1x".to_vec()));
    assert_eq!(written(&|out| write_arguments(&vec![1; 16], out)), Ok([&b"\xdc\0\x10"[..], &[1; 16]].concat()));
    assert_eq!(written(&|out| write_arguments("x", out)), Err(EncodeError::NotATuple));
}

#[test]
fn nesting_beyond_64_is_refused() {
    fn nested(depth: u32) -> serde_json::Value {
        (1..depth).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]))
    }
    assert!(written(&nested(64)).is_ok());
    assert_eq!(written(&nested(65)), Err(EncodeError::Depth));
}
