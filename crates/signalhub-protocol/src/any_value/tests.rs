use serde::Deserialize;
use serde::de::value::{BytesDeserializer, Error, MapDeserializer, StrDeserializer};

use crate::encoded::{JSON, MESSAGE_PACK};
use crate::{AnyValue, Protocol, Value};

#[test]
fn a_value_keeps_the_protocol_it_came_in() {
    for (value, protocol) in
        [(Value::Json(b"\"a\""), Protocol::Json), (Value::MessagePack(b"\xa1a"), Protocol::MessagePack)]
    {
        let bound = value.bind::<AnyValue>().unwrap();
        assert_eq!((bound.as_value(), bound.protocol), (value, protocol));
        let mut same = Vec::new();
        protocol.encode_value(&bound, &mut same).unwrap();
        assert_eq!(same, value.as_bytes());
    }
}

#[test]
fn bytes_without_the_name_of_an_encoding_are_refused() {
    let named = |name: &'static str| {
        AnyValue::deserialize(MapEntry(name)).map(|value| value.protocol).map_err(|error| error.to_string())
    };
    assert_eq!(named(JSON), Ok(Protocol::Json));
    assert_eq!(named(MESSAGE_PACK), Ok(Protocol::MessagePack));
    assert_eq!(named("$signalhub::Cbor"), Err("the encoding is that of no hub protocol".to_owned()));
    assert!(AnyValue::deserialize(BytesDeserializer::<Error>::new(b"\xc0")).is_err());
    assert!(AnyValue::deserialize(StrDeserializer::<Error>::new("null")).is_err());
    assert!(serde_json::from_str::<AnyValue>("null").is_err());
}

#[test]
fn serializers_of_text_get_what_a_value_means() {
    for value in [Value::Json(b"[1,\"a\"]"), Value::MessagePack(b"\x92\x01\xa1a")] {
        assert_eq!(serde_json::to_string(&value).unwrap(), "[1,\"a\"]");
        assert_eq!(serde_json::to_string(&value.bind::<AnyValue>().unwrap()).unwrap(), "[1,\"a\"]");
    }
}

/// Hands out one entry, as readers do with an encoded value.
struct MapEntry(&'static str);

impl<'de> serde::Deserializer<'de> for MapEntry {
    type Error = Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(MapDeserializer::new(std::iter::once((self.0, b"\xc0".as_slice()))))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
