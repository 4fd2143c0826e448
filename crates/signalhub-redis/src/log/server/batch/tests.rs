//! The answers to `XREAD` are read as the values of the client library are read.

use proptest::collection::vec;
use proptest::prelude::*;
use redis::Value;

use super::*;
use crate::log::values;
use crate::resp::tests::write;

fn bulk(text: impl Into<Vec<u8>>) -> Value {
    Value::BulkString(text.into())
}

/// Fields of an entry: mostly those that nodes write.
fn fields() -> impl Strategy<Value = Value> {
    let others = vec((vec(any::<u8>(), 0..3), vec(any::<u8>(), 0..20)), 0..3);
    let own = (vec(any::<u8>(), 0..60), prop_oneof![4 => Just("1"), 1 => Just("27")], 0_u8..30, any::<u64>());
    (own, others).prop_map(|((data, version, wrong, epoch), others)| {
        let id = "00000000000000fb-0000000000000009";
        let mut pairs = vec![
            (b"v".to_vec(), version.as_bytes().to_vec()),
            (b"i".to_vec(), if wrong == 0 { b"x".to_vec() } else { id.as_bytes().to_vec() }),
            (b"a".to_vec(), if wrong == 1 { b"-".to_vec() } else { b"1".to_vec() }),
            (b"p".to_vec(), if wrong == 2 { b"g".to_vec() } else { format!("{epoch:016x}").into_bytes() }),
            (b"d".to_vec(), data),
        ];
        if wrong == 3 {
            pairs.pop();
        }
        pairs.extend(others);
        let mut fields: Vec<_> = pairs.into_iter().flat_map(|(name, value)| [bulk(name), bulk(value)]).collect();
        match wrong {
            4 => drop(fields.pop()),
            5 => fields[1] = Value::Array(vec![Value::Int(1), Value::Nil]),
            _ => {}
        }
        Value::Array(fields)
    })
}

fn entry() -> impl Strategy<Value = Value> {
    let id = prop_oneof![8 => any::<u32>().prop_map(|offset| format!("{offset}-0")), 1 => "[0-9a-z-]{0,5}"];
    (id, fields()).prop_map(|(id, fields)| Value::Array(vec![bulk(id), fields]))
}

fn streams() -> impl Strategy<Value = Vec<(String, Vec<Value>)>> {
    vec(("[a-z.]{1,8}".prop_map(|name| format!("p:e:{name}")), vec(entry(), 0..5)), 0..4)
}

fn answer(streams: &[(String, Vec<Value>)]) -> Vec<u8> {
    let stream =
        |(key, entries): &(String, Vec<Value>)| Value::Array(vec![bulk(key.as_str()), Value::Array(entries.clone())]);
    let mut bytes = Vec::new();
    write(&Value::Array(streams.iter().map(stream).collect()), &mut bytes);
    bytes
}

/// What the values of the library give.
fn expected(streams: Vec<(String, Vec<Value>)>, keys: &Keys) -> Batch {
    let mut batch = Batch::default();
    for (key, entries) in streams {
        let Some(name) = keys.name_of_events(&key) else { continue };
        match values::entries(Value::Array(entries)) {
            Ok(entries) => batch.events.push((name, entries)),
            Err(_) => batch.unreadable.push((name, unexpected("an event"))),
        }
    }
    batch
}

proptest! {
    #[test]
    fn events_are_read_as_from_values_and_a_wrong_one_spoils_its_name_alone(streams in streams()) {
        let keys = Keys::new("p:");
        let mut batch = read_batch(&answer(&streams), &keys).unwrap();
        // Which error it is depends on what is seen first.
        batch.unreadable.iter_mut().for_each(|(_, error)| *error = unexpected("an event"));
        prop_assert_eq!(batch, expected(streams, &keys));
    }

    #[test]
    fn a_byte_that_is_changed_or_a_cut_never_panics(streams in streams(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let keys = Keys::new("p:");
        let mut bytes = answer(&streams);
        let at = at.index(bytes.len());
        drop(read_batch(&bytes[..at], &keys));
        bytes[at] = byte;
        drop(read_batch(&bytes, &keys));
    }
}

#[test]
fn names_errors_and_an_answer_without_anything_are_read() {
    let keys = Keys::new("p:");
    assert_eq!(read_batch(b"*-1\r\n", &keys), Ok(Batch::default()));
    let names = b"*1\r\n*2\r\n$7\r\np:names\r\n*1\r\n*2\r\n$3\r\n5-2\r\n*2\r\n$1\r\nm\r\n$7\r\np:m:a.b\r\n";
    let batch = read_batch(names, &keys).unwrap();
    assert_eq!(batch.names, [("5-2".parse().unwrap(), "a.b".parse().unwrap())]);
    let refused = read_batch(b"-WRONGTYPE Operation against a key\r\n", &keys);
    assert!(matches!(refused, Err(StreamError::Refused(_))), "{refused:?}");
    for wrong in
        [&b"+OK\r\n"[..], b":1\r\n", b"*1\r\n*1\r\n$1\r\nx\r\n", b"*1\r\n$1\r\nx\r\n", b"*2\r\n", b"?\r\n", b""]
    {
        assert!(matches!(read_batch(wrong, &keys), Err(StreamError::Unexpected(_))), "{wrong:?}");
    }
}
