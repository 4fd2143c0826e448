//! The members of a struct, found by their names.

use std::borrow::Cow;

use serde::de::value::{BorrowedStrDeserializer, CowStrDeserializer};
use serde::de::{DeserializeSeed, MapAccess};

use crate::error::BindError;

/// Reads values of one encoding.
pub(crate) trait ReadValue<'a> {
    /// Converts one value, which is encoded in these bytes.
    fn read<S: DeserializeSeed<'a>>(&self, value: &'a [u8], seed: S) -> Result<S::Value, BindError>;
}

/// Hands out the fields of a struct under their declared names; of several members for one field the last one counts.
pub(crate) struct Fields<'a, R> {
    names: &'static [&'static str],
    reader: R,
    values: Vec<Option<&'a [u8]>>,
    /// Handed out last, for types that refuse unknown fields.
    unknown: Option<(Cow<'a, str>, &'a [u8])>,
    next: usize,
    /// The field whose value comes next; unknown ones have no name.
    current: (&'static str, &'a [u8]),
}

impl<'a, R> Fields<'a, R> {
    /// Begins without members; `names` are the declared ones.
    pub(crate) fn new(names: &'static [&'static str], reader: R) -> Self {
        Self { names, reader, values: vec![None; names.len()], unknown: None, next: 0, current: ("", b"") }
    }

    /// Adds a member, which is that field of the struct if there is one.
    pub(crate) fn add(&mut self, name: Cow<'a, str>, field: Option<usize>, value: &'a [u8]) {
        match field {
            Some(at) => self.values[at] = Some(value),
            None => self.unknown = Some((name, value)),
        }
    }
}

impl<'a, R: ReadValue<'a>> MapAccess<'a> for Fields<'a, R> {
    type Error = BindError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, BindError> {
        while let Some(value) = self.values.get(self.next) {
            let name = self.names[self.next];
            self.next += 1;
            if let Some(value) = value {
                self.current = (name, value);
                return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some);
            }
        }
        let Some((name, value)) = self.unknown.take() else {
            return Ok(None);
        };
        self.current = ("", value);
        seed.deserialize(CowStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, BindError> {
        let (name, value) = self.current;
        self.reader.read(value, seed).map_err(|error| error.within(name))
    }
}
