//! Names of members: those that are data, and those that serde declares.

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{self, Error, Visitor};

use crate::error::BindError;
use crate::portable::{NotPortable, PROTOTYPE};

/// The name of a member whose names are data, as a map's; numbers are written as strings there.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

/// Refuses the name of a member that could not be passed on to all clients.
pub(crate) fn name_of_data<T: AsRef<str>>(name: T) -> Result<T, BindError> {
    if name.as_ref() == PROTOTYPE { Err(BindError::custom(NotPortable::Prototype)) } else { Ok(name) }
}

macro_rules! read_number_keys {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
            visitor.$visit(self.0.parse().map_err(BindError::custom)?)
        })*
    };
}

impl<'a> de::Deserializer<'a> for Key<'a> {
    type Error = BindError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        CowStrDeserializer::new(self.0).deserialize_any(visitor)
    }

    read_number_keys! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_i128 visit_i128 deserialize_u128 visit_u128 deserialize_bool visit_bool
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, _: &'static str, visitor: V) -> Result<V::Value, BindError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        visitor.visit_enum(CowStrDeserializer::new(spelling(self.0, variants)))
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Finds a declared name: the same one first, else one that differs in the case of its letters only.
pub(crate) fn position(name: &str, names: &[&str]) -> Option<usize> {
    let exact = names.iter().position(|known| *known == name);
    exact.or_else(|| names.iter().position(|known| known.eq_ignore_ascii_case(name)))
}

/// Gives the declared spelling of a name, or the name itself.
pub(crate) fn spelling<'a>(name: Cow<'a, str>, names: &[&'static str]) -> Cow<'a, str> {
    match position(&name, names) {
        Some(at) => Cow::Borrowed(names[at]),
        None => name,
    }
}
