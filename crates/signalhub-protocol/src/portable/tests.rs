use proptest::prelude::*;

use super::*;
use crate::{EncodeError, Protocol, Value};

fn json(text: &str) -> Result<(), NotPortable> {
    Value::Json(text.as_bytes()).check_portable(MAX_PORTABLE_DEPTH)
}

fn translated(value: Value<'_>) -> Result<Vec<u8>, EncodeError> {
    let to = if let Value::Json(_) = value { Protocol::MessagePack } else { Protocol::Json };
    let mut out = Vec::new();
    to.encode_value(&value, &mut out).map(|()| out)
}

#[test]
fn json_that_message_pack_cannot_carry_is_found() {
    let digits = |count: usize| "9".repeat(count);
    for (text, expected) in [
        (r#""fine \ud83d\ude00 \\ud83d""#, Ok(())),
        (r#""\ud83d""#, Err(NotPortable::Text)),
        (r#"["\ude00"]"#, Err(NotPortable::Text)),
        (r#"{"a":"\ud83d\u0041"}"#, Err(NotPortable::Text)),
        (r#"{"a":"\ud83d\ud83d\ude00"}"#, Err(NotPortable::Text)),
        (r#"{"\uDC00":1}"#, Err(NotPortable::Text)),
        ("1e400", Err(NotPortable::Number)),
        ("[-1E+999]", Err(NotPortable::Number)),
        (r#"{"a":1e309}"#, Err(NotPortable::Number)),
        ("1.7976931348623157e308", Ok(())),
        ("[0e999999999999,1e-400,-0,-0.0,18446744073709551616,0.1234567890123456789012345678901234567890]", Ok(())),
        (&digits(308), Ok(())),
        (&digits(310), Err(NotPortable::Number)),
        (&format!("0.{}", digits(1000)), Ok(())),
        (&format!("{}e-1000", digits(1000)), Ok(())),
        (r#"{"a":1,"a":2}"#, Ok(())),
        (r#"{"__proto__":1}"#, Err(NotPortable::Prototype)),
        (r#"[{"a":{"\u005f_proto__":1}}]"#, Err(NotPortable::Prototype)),
        (r#"["__proto__",{"__Proto__":1}]"#, Ok(())),
        (&format!("{}{}", "[".repeat(62), "]".repeat(62)), Ok(())),
        (&format!("{}{}", "[".repeat(63), "]".repeat(63)), Err(NotPortable::Depth(62))),
        (&"[".repeat(100_000), Err(NotPortable::Depth(62))),
        (r#""[[[[{{{""#, Ok(())),
        ("", Err(NotPortable::Malformed)),
        ("1 2", Err(NotPortable::Malformed)),
        ("\"", Err(NotPortable::Malformed)),
        ("]]]]", Err(NotPortable::Malformed)),
        ("[1,]", Err(NotPortable::Malformed)),
    ] {
        assert_eq!(json(text), expected, "{text}");
    }
    assert_eq!(Value::Json(b"\"\xff\"").check_portable(1), Err(NotPortable::Text));
}

#[test]
fn message_pack_that_json_cannot_spell_is_found() {
    let nested = |depth: usize| [&[0x91].repeat(depth)[..], &[0xC0]].concat();
    for (value, expected) in [
        (&b"\x84\xa1a\xc0\x01\xc3\x02\x90\x03\x92\xc4\x01\x07\xd6\xff\x65\x53\x75\0"[..], Ok(())),
        (b"\xcb\x7f\xf0\0\0\0\0\0\0", Err(NotPortable::Number)),
        (b"\x91\xca\x7f\xc0\0\0", Err(NotPortable::Number)),
        (b"\x81\xca\xff\x80\0\0\xc0", Err(NotPortable::Number)),
        (b"\xca\x7f\x7f\xff\xff", Ok(())),
        (b"\x81\xc0\x01", Err(NotPortable::Key)),
        (b"\x81\x90\x01", Err(NotPortable::Key)),
        (b"\x91\x81\x80\x01", Err(NotPortable::Key)),
        (b"\x81\xc3\x01", Err(NotPortable::Key)),
        (b"\x81\xc4\x01\x07\x01", Err(NotPortable::Key)),
        (b"\x81\xd6\xff\x65\x53\x75\0\x01", Err(NotPortable::Key)),
        (b"\x83\x01\x01\xff\x02\xca\x3f\xc0\0\0\x03", Ok(())),
        (b"\x81\xa9__proto__\x01", Err(NotPortable::Prototype)),
        (b"\x81\xd9\x09__proto__\x01", Err(NotPortable::Prototype)),
        (b"\xa9__proto__", Ok(())),
        (b"\x82\xa1a\x01\xa1a\x02", Err(NotPortable::RepeatedKey)),
        (b"\xa1\xff", Err(NotPortable::Text)),
        (b"\x81\xa1\xff\x01", Err(NotPortable::Text)),
        (b"\xd4\x05\0", Err(NotPortable::Extension)),
        (b"\xd4\xff\0", Err(NotPortable::Extension)),
        (b"\xc1", Err(NotPortable::Malformed)),
        (b"\x01\x02", Err(NotPortable::Malformed)),
        (&nested(62), Ok(())),
        (&nested(63), Err(NotPortable::Depth(62))),
        (&nested(100_000), Err(NotPortable::Depth(62))),
    ] {
        assert_eq!(Value::MessagePack(value).check_portable(MAX_PORTABLE_DEPTH), expected, "{}", value.escape_ascii());
    }
}

/// Pieces of JSON, many of which are borderline.
fn pieces() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "-0",
        "1e308",
        "1e309",
        "-2.5E-7",
        "99999999999999999999",
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\\u\"\/""#,
        r#""\udc00x""#,
        "\"é\"",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 40, 5, |inner| {
        let name = prop::sample::select(vec!["\"a\"", "\"b\"", r#""\ud800""#, r#""\u0061""#, "\"__proto__\""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|list| format!("[{}]", list.join(" ,"))),
            prop::collection::vec((name, inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn portable_json_is_what_message_pack_can_carry(text in pieces()) {
        prop_assert_eq!(json(&text).is_ok(), translated(Value::Json(text.as_bytes())).is_ok());
    }

    #[test]
    fn portable_message_pack_is_json_that_reads_back(bytes: Vec<u8>) {
        if Value::MessagePack(&bytes).check_portable(MAX_PORTABLE_DEPTH).is_ok() {
            let text = translated(Value::MessagePack(&bytes)).unwrap();
            prop_assert_eq!(Value::Json(&text).check_portable(MAX_PORTABLE_DEPTH), Ok(()));
        }
    }

    #[test]
    fn no_text_makes_the_check_panic(text: String, bytes: Vec<u8>) {
        let _ = json(&text);
        let _ = Value::Json(&bytes).check_portable(3);
    }
}
