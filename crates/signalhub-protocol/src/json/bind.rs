//! Converts raw values to types by System.Text.Json's rules: names regardless of case, unknown members ignored, strict types.
//!
//! Names match regardless of case where serde gives the expected names: in structs and enums. For flattened structs and for untagged
//! or internally tagged enums serde collects the members without giving names, so these need the exact spelling.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::value::CowStrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Error, Visitor};
use serde::ser::Serializer;

use super::portable::Portable;
use super::scan::{Kind, Scanner, SyntaxError};
use super::text::TextError;
use crate::encoded::{ANY_VALUE, JSON, RAW_VALUE, visit_encoded, visit_raw};
use crate::error::BindError;
use crate::fields::{Fields, ReadValue};
use crate::names::{Key, name_of_data, position, spelling};
use crate::portable::MAX_PORTABLE_DEPTH;
use crate::transcode::transcode;

/// Converts one value.
pub(crate) fn bind<T: DeserializeOwned>(value: &[u8]) -> Result<T, BindError> {
    let mut scanner = Scanner::new(value);
    let bound = T::deserialize(Reader { scanner: &mut scanner })?;
    scanner.end()?;
    Ok(bound)
}

/// Hands one value on to a serializer.
pub(crate) fn forward<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    transcode(Reader { scanner: &mut Scanner::new(value) }, serializer)
}

/// Reads one value from the scanner.
struct Reader<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
}

impl<'a> Reader<'_, 'a> {
    fn text(&mut self) -> Result<Cow<'a, str>, BindError> {
        Ok(self.scanner.string()?.decode()?)
    }

    /// Reads a number of the expected type.
    fn number<N: std::str::FromStr>(&mut self) -> Result<Option<N>, BindError> {
        if self.scanner.kind()? != Kind::Number {
            return Ok(None);
        }
        let text = std::str::from_utf8(self.scanner.number()?).map_err(BindError::custom)?;
        text.parse().map(Some).map_err(|_| BindError::custom(format_args!("{text} is no number of the expected type")))
    }

    fn any_number<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, BindError> {
        let text = std::str::from_utf8(self.scanner.number()?).map_err(BindError::custom)?;
        if text == "-0" {
            return visitor.visit_f64(-0.0); // As an integer it would lose its sign.
        }
        if let Ok(number) = text.parse() {
            return visitor.visit_u64(number);
        }
        if let Ok(number) = text.parse() {
            return visitor.visit_i64(number);
        }
        visitor.visit_f64(finite(text.parse().map_err(BindError::custom)?)?)
    }
}

macro_rules! read_numbers {
    ($($method:ident $visit:ident $check:ident),*) => {
        $(fn $method<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
            match self.number()? {
                Some(number) => visitor.$visit($check(number)?),
                None => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'a> de::Deserializer<'a> for Reader<'_, 'a> {
    type Error = BindError;

    fn deserialize_any<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        match self.scanner.kind()? {
            Kind::Null => {
                self.scanner.word(b"null")?;
                visitor.visit_unit()
            }
            Kind::True => {
                self.scanner.word(b"true")?;
                visitor.visit_bool(true)
            }
            Kind::False => {
                self.scanner.word(b"false")?;
                visitor.visit_bool(false)
            }
            Kind::Number => self.any_number(visitor),
            Kind::String => match self.text()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Kind::Array => {
                self.scanner.open()?;
                let mut members = CompoundReader { scanner: self.scanner, first: true, ended: false };
                let value = visitor.visit_seq(&mut members)?;
                members.end()?;
                Ok(value)
            }
            Kind::Object => {
                self.scanner.open()?;
                visitor.visit_map(CompoundReader { scanner: self.scanner, first: true, ended: false })
            }
        }
    }

    read_numbers!(deserialize_i8 visit_i8 any, deserialize_i16 visit_i16 any, deserialize_i32 visit_i32 any);
    read_numbers!(deserialize_i64 visit_i64 any, deserialize_i128 visit_i128 any, deserialize_u8 visit_u8 any);
    read_numbers!(deserialize_u16 visit_u16 any, deserialize_u32 visit_u32 any, deserialize_u64 visit_u64 any);
    read_numbers!(deserialize_u128 visit_u128 any, deserialize_f32 visit_f32 finite, deserialize_f64 visit_f64 finite);

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        if self.scanner.kind()? != Kind::Null {
            return visitor.visit_some(self);
        }
        self.scanner.word(b"null")?;
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, BindError> {
        if name != RAW_VALUE && name != ANY_VALUE {
            return visitor.visit_newtype_struct(self);
        }
        let text = self.scanner.value_with(&mut Portable::new(MAX_PORTABLE_DEPTH)).map_err(BindError::custom)?;
        let text = std::str::from_utf8(text).map_err(BindError::custom)?;
        if name == RAW_VALUE { visit_raw(text.into(), visitor) } else { visit_encoded(JSON, text.as_bytes(), visitor) }
    }

    fn deserialize_bytes<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        match self.scanner.kind()? {
            Kind::String => visitor.visit_byte_buf(base64(&self.text()?)?),
            // Without this check, types of bytes would accept an array of numbers.
            Kind::Array => Err(BindError::custom("an array is no base64")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        match self.scanner.kind()? {
            Kind::Object => visitor.visit_map(self::fields(fields, self.scanner)?),
            // Without this check, derived types would read their fields from it in order.
            Kind::Array => Err(BindError::custom("an array is no object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'a>>(
        mut self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        match self.scanner.kind()? {
            Kind::String => {
                let variant = spelling(self.text()?, variants);
                visitor.visit_enum(CowStrDeserializer::new(variant))
            }
            Kind::Object => {
                self.scanner.open()?;
                let mut first = true;
                let name = self.scanner.next_property(&mut first)?.ok_or_else(|| BindError::custom("no variant"))?;
                let name = spelling(name.decode()?, variants);
                let value = visitor.visit_enum(Variant { name, scanner: &mut *self.scanner })?;
                match self.scanner.next_property(&mut first)? {
                    None => Ok(value),
                    Some(_) => Err(BindError::custom("more than one variant")),
                }
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        self.scanner.value()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        bool char str string unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// Hands out the members of an open array, or those of an object whose names are data.
struct CompoundReader<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    first: bool,
    ended: bool,
}

impl CompoundReader<'_, '_> {
    /// Fails when elements are left, as those of an array that is too long for a tuple.
    fn end(&mut self) -> Result<(), BindError> {
        if self.ended || !self.scanner.next_element(&mut self.first)? {
            return Ok(());
        }
        Err(BindError::custom("too many elements"))
    }
}

impl<'a> de::SeqAccess<'a> for &mut CompoundReader<'_, 'a> {
    type Error = BindError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, BindError> {
        if self.ended || !self.scanner.next_element(&mut self.first)? {
            self.ended = true;
            return Ok(None);
        }
        seed.deserialize(Reader { scanner: self.scanner }).map(Some)
    }
}

impl<'a> de::MapAccess<'a> for CompoundReader<'_, 'a> {
    type Error = BindError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, BindError> {
        match self.scanner.next_property(&mut self.first)? {
            Some(name) => seed.deserialize(Key(name_of_data(name.decode()?)?)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, BindError> {
        seed.deserialize(Reader { scanner: self.scanner })
    }
}

/// Reads the members of a whole object, whose brace comes next.
fn fields<'a>(names: &'static [&'static str], scanner: &mut Scanner<'a>) -> Result<Fields<'a, WholeText>, BindError> {
    let mut fields = Fields::new(names, WholeText);
    scanner.open()?;
    let mut first = true;
    while let Some(name) = scanner.next_property(&mut first)? {
        let name = name.decode()?;
        let value = scanner.value()?;
        let field = position(&name, names);
        fields.add(name, field, value);
    }
    Ok(fields)
}

/// Reads values whose text was passed over before.
struct WholeText;

impl<'a> ReadValue<'a> for WholeText {
    fn read<S: DeserializeSeed<'a>>(&self, value: &'a [u8], seed: S) -> Result<S::Value, BindError> {
        seed.deserialize(Reader { scanner: &mut Scanner::new(value) })
    }
}

/// Reads the variant of an enum that was sent as an object of one member.
struct Variant<'s, 'a> {
    name: Cow<'a, str>,
    scanner: &'s mut Scanner<'a>,
}

impl<'s, 'a> de::EnumAccess<'a> for Variant<'s, 'a> {
    type Error = BindError;
    type Variant = Reader<'s, 'a>;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Reader<'s, 'a>), BindError> {
        let variant = seed.deserialize(CowStrDeserializer::<BindError>::new(self.name))?;
        Ok((variant, Reader { scanner: self.scanner }))
    }
}

impl<'a> de::VariantAccess<'a> for Reader<'_, 'a> {
    type Error = BindError;

    fn unit_variant(self) -> Result<(), BindError> {
        de::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, BindError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, BindError> {
        de::Deserializer::deserialize_tuple(self, len, visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        de::Deserializer::deserialize_struct(self, "", fields, visitor)
    }
}

/// Reads base64, which may have white space anywhere.
fn base64(text: &str) -> Result<Vec<u8>, BindError> {
    let white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let decoded = if text.as_bytes().iter().any(white) {
        BASE64.decode(text.bytes().filter(|byte| !white(byte)).collect::<Vec<u8>>())
    } else {
        BASE64.decode(text)
    };
    decoded.map_err(BindError::custom)
}

fn finite<N: Into<f64> + Copy>(number: N) -> Result<N, BindError> {
    if number.into().is_finite() { Ok(number) } else { Err(BindError::custom("the number is out of range")) }
}

fn any<N>(number: N) -> Result<N, BindError> {
    Ok(number)
}

impl From<SyntaxError> for BindError {
    fn from(_: SyntaxError) -> Self {
        Self::custom("the value is no JSON")
    }
}

impl From<TextError> for BindError {
    fn from(_: TextError) -> Self {
        Self::custom("a string is no UTF-8 or has half a surrogate pair")
    }
}

#[cfg(test)]
mod tests;
