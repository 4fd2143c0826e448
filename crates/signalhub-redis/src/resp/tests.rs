//! Answers are read as the client library reads them, however they are cut.

use proptest::collection::vec;
use proptest::prelude::*;
use redis::{Value, parse_redis_value};

use super::*;

/// A value of RESP2 without errors, which the library tells otherwise.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        vec(any::<u8>(), 0..40).prop_map(Value::BulkString),
        "[a-zA-Z0-9 ]{0,20}".prop_map(Value::SimpleString),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| vec(inner, 0..6).prop_map(Value::Array))
}

/// Writes a value as a server does.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Nil => out.extend(b"$-1\r\n"),
        Value::Int(value) => out.extend(format!(":{value}\r\n").as_bytes()),
        Value::SimpleString(text) => out.extend(format!("+{text}\r\n").as_bytes()),
        Value::BulkString(bytes) => {
            out.extend(format!("${}\r\n", bytes.len()).as_bytes());
            out.extend(bytes);
            out.extend(b"\r\n");
        }
        Value::Array(items) => {
            out.extend(format!("*{}\r\n", items.len()).as_bytes());
            items.iter().for_each(|item| write(item, out));
        }
        other => panic!("{other:?} is not made here"),
    }
}

/// Reads a value as the library has it.
fn read(items: &mut Items<'_>) -> Result<Value, Malformed> {
    Ok(match items.item()? {
        Item::Nil => Value::Nil,
        Item::Integer(value) => Value::Int(value),
        // The library tells texts that are lines from others; what reads them does not.
        Item::Text(text) => Value::BulkString(text.to_vec()),
        Item::Error(text) => panic!("{text:?} was not written"),
        Item::Array(count) => Value::Array((0..count).map(|_| read(items)).collect::<Result<_, _>>()?),
    })
}

fn without_lines(value: Value) -> Value {
    match value {
        Value::SimpleString(text) => Value::BulkString(text.into_bytes()),
        Value::Array(items) => Value::Array(items.into_iter().map(without_lines).collect()),
        other => other,
    }
}

proptest! {
    #[test]
    fn answers_are_read_as_the_library_reads_them_and_their_end_is_found_however_they_are_cut(
        value in values(),
        cut in 1_usize..40,
        rest in vec(any::<u8>(), 0..10),
    ) {
        let mut bytes = Vec::new();
        write(&value, &mut bytes);
        prop_assert_eq!(parse_redis_value(&bytes).unwrap(), value.clone());
        prop_assert_eq!(read(&mut Items::of(&bytes)), Ok(without_lines(value)));
        let mut end = AnswerEnd::default();
        for there in (0..bytes.len()).step_by(cut) {
            prop_assert_eq!(end.find(&bytes[..there]), Ok(None), "{} of {} bytes", there, bytes.len());
        }
        let whole = bytes.len();
        bytes.extend(rest);
        prop_assert_eq!(end.find(&bytes), Ok(Some(whole)));
        let mut items = Items::of(&bytes);
        prop_assert_eq!(items.skip(), Ok(&bytes[..whole]));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(prop_oneof![4 => proptest::sample::select(&b"*$:+-0123456789\r\n"[..]), 1 => any::<u8>()], 0..80)) {
        let found = AnswerEnd::default().find(&bytes);
        let mut items = Items::of(&bytes);
        while items.item().is_ok() {}
        if let Ok(Some(length)) = found {
            prop_assert!(length <= bytes.len());
        }
    }
}

#[test]
fn what_no_server_sends_is_an_error_and_takes_no_memory() {
    for (wrong, why) in [
        (&b"?1\r\n"[..], "expected a value of RESP2"),
        (b"%1\r\n", "expected a value of RESP2"),
        (b"$x\r\n", "expected an integer"),
        (b"$-2\r\n", "expected a length"),
        (b"*-2\r\n", "expected a length"),
        (b":1\rx", "expected the end of a line"),
        (b"$9223372036854775807\r\n*9223372036854775807\r\n", ""),
        (b"*2\r\n*9223372036854775807\r\n*9223372036854775807\r\n*9223372036854775807\r\n", "it has too many values"),
    ] {
        match AnswerEnd::default().find(wrong) {
            Err(error) => assert_eq!(error, Malformed(why), "{wrong:?}"),
            found => assert_eq!((found, why), (Ok(None), ""), "{wrong:?}"),
        }
    }
    let line = [b"-".as_slice(), &[b'x'; LONGEST_LINE]].concat();
    assert_eq!(AnswerEnd::default().find(&line), Err(Malformed("a line is too long")));
    assert_eq!(Items::of(b"$1\r\nxyz").item(), Err(Malformed("expected the end of a text")));
    assert_eq!(Items::of(b"$5\r\nx").item(), Err(Malformed("it ends early")));
}
