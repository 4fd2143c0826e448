//! Hands a value of one protocol on to the writer of another.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

/// Reads one value and writes what it means. Each is as deep as its reader and its writer allow.
pub(crate) fn transcode<'a, D: Deserializer<'a>, S: Serializer>(from: D, to: S) -> Result<S::Ok, S::Error> {
    from.deserialize_any(Forward(to)).map_err(S::Error::custom)
}

/// Writes what it is given.
struct Forward<S>(S);

macro_rules! forward {
    ($($visit:ident $serialize:ident $type:ty),*) => {
        $(fn $visit<E: serde::de::Error>(self, value: $type) -> Result<S::Ok, E> {
            self.0.$serialize(value).map_err(E::custom)
        })*
    };
}

impl<'a, S: Serializer> Visitor<'a> for Forward<S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    forward!(visit_bool serialize_bool bool, visit_i64 serialize_i64 i64, visit_u64 serialize_u64 u64);
    forward!(visit_f32 serialize_f32 f32, visit_f64 serialize_f64 f64, visit_str serialize_str &str);
    forward!(visit_bytes serialize_bytes &[u8]);

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.0.serialize_unit().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<S::Ok, A::Error> {
        let mut seq = self.0.serialize_seq(elements.size_hint()).map_err(A::Error::custom)?;
        while elements.next_element_seed(Element(&mut seq))?.is_some() {}
        seq.end().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut entries: A) -> Result<S::Ok, A::Error> {
        let mut map = self.0.serialize_map(entries.size_hint()).map_err(A::Error::custom)?;
        while entries.next_key_seed(Key(&mut map))?.is_some() {
            entries.next_value_seed(Entry(&mut map))?;
        }
        map.end().map_err(A::Error::custom)
    }
}

/// Takes the next value of an open array or map and writes it as the next of another.
macro_rules! seed {
    ($seed:ident $trait:ident $serialize:ident) => {
        struct $seed<'s, S>(&'s mut S);

        impl<'a, S: $trait> DeserializeSeed<'a> for $seed<'_, S> {
            type Value = ();

            fn deserialize<D: Deserializer<'a>>(self, value: D) -> Result<(), D::Error> {
                self.0.$serialize(&Once(Cell::new(Some(value)))).map_err(D::Error::custom)
            }
        }
    };
}

seed!(Element SerializeSeq serialize_element);
seed!(Key SerializeMap serialize_key);
seed!(Entry SerializeMap serialize_value);

/// A value that is read while it is written, which can be done once.
struct Once<D>(Cell<Option<D>>);

impl<'a, D: Deserializer<'a>> Serialize for Once<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.take() {
            Some(value) => transcode(value, serializer),
            None => Err(S::Error::custom("the value was written already")),
        }
    }
}
