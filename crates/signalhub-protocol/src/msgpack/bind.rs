//! Converts raw values to types by MessagePack-CSharp's rules: names in the style of .NET, enums by name, strict types.
//!
//! In addition, a field is found by its serde name, a list of bytes may be sent as bin, and a timestamp may be read as text,
//! because types of other crates support no other form.

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::names::position;
use super::portable::check_portable;
use super::scan::{ScanError, Scanner, Token};
use super::{format, time};
use crate::encoded::{ANY_VALUE, MESSAGE_PACK, RAW_VALUE, visit_encoded, visit_raw};
use crate::error::BindError;
use crate::fields::{Fields, ReadValue};
use crate::json;
use crate::limits::MAX_DEPTH;
use crate::names::{Key, name_of_data};
use crate::portable::{MAX_PORTABLE_DEPTH, NotPortable};
use crate::timestamp::Timestamp;
use crate::transcode::transcode;

/// Converts the first value; what follows it is ignored, as the original does.
pub(crate) fn bind<T: DeserializeOwned>(value: &[u8]) -> Result<T, BindError> {
    T::deserialize(Reader { scanner: &mut Scanner::new(value), depth: 0 })
}

/// Passes the first value to a serializer.
pub(crate) fn forward<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    transcode(Reader { scanner: &mut Scanner::new(value), depth: 0 }, serializer)
}

/// Serializes what a value means.
struct Meaning<'a>(&'a [u8]);

impl Serialize for Meaning<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        forward(self.0, serializer)
    }
}

/// The arguments of a call, one by one.
#[derive(Debug)]
pub(crate) struct ArgumentReader<'a> {
    scanner: Scanner<'a>,
    count: usize,
}

impl<'a> ArgumentReader<'a> {
    /// Reads how many there are; a wrong number is reported before any of them is converted.
    pub(crate) fn new(array: &'a [u8], expected: usize) -> Result<Self, BindError> {
        let mut scanner = Scanner::new(array);
        match scanner.token() {
            Ok(Token::Array(provided)) if provided == expected => Ok(Self { scanner, count: 0 }),
            Ok(Token::Array(provided)) => Err(BindError::Count { provided, expected }),
            _ => Err(BindError::NotAnArray),
        }
    }

    /// Converts the next one.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<T, BindError> {
        self.count += 1;
        T::deserialize(Reader { scanner: &mut self.scanner, depth: 0 })
    }

    /// Returns how many were requested.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// Reads one value from the scanner.
struct Reader<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    depth: u32,
}

impl<'s, 'a> Reader<'s, 'a> {
    /// Returns the next head, or an error if it is not accepted.
    fn token(&mut self, admits: impl Fn(&Token<'a>) -> bool) -> Result<Token<'a>, BindError> {
        let code = self.scanner.code()?;
        let token = self.scanner.token()?;
        if admits(&token) { Ok(token) } else { Err(ScanError::Code(code).into()) }
    }

    /// Enters the array or map whose head was read.
    fn open(self, count: usize) -> Result<CompoundReader<'s, 'a>, BindError> {
        if self.depth == MAX_DEPTH {
            return Err(ScanError::Depth.into());
        }
        Ok(CompoundReader { scanner: self.scanner, depth: self.depth + 1, left: count })
    }

    /// Hands out what a head that was read begins.
    fn visit<V: Visitor<'a>>(self, token: Token<'a>, visitor: V) -> Result<V::Value, BindError> {
        match token {
            Token::Nil => visitor.visit_unit(),
            Token::Truth(truth) => visitor.visit_bool(truth),
            Token::Unsigned(number) => visitor.visit_u64(number),
            Token::Negative(number) => visitor.visit_i64(number),
            Token::Float32(number) => visitor.visit_f32(number),
            Token::Float64(number) => visitor.visit_f64(number),
            Token::Str(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            Token::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::Ext(time::TIMESTAMP, bytes) => {
                let time = time::read(bytes).ok_or_else(|| BindError::custom("there is no such time"))?;
                visitor.visit_string(Timestamp(time).to_string())
            }
            Token::Ext(kind, _) => Err(BindError::custom(format_args!("the extension {kind} means nothing here"))),
            Token::Array(count) => {
                let mut members = self.open(count)?;
                let value = visitor.visit_seq(&mut members)?;
                if members.left > 0 { Err(BindError::custom("too many elements")) } else { Ok(value) }
            }
            Token::Map(count) => visitor.visit_map(self.open(count)?),
        }
    }

    /// Passes over the next value, if it can be passed on to clients of every protocol.
    fn any_value(&mut self) -> Result<&'a [u8], BindError> {
        let start = self.scanner.rest();
        check_portable(self.scanner, MAX_PORTABLE_DEPTH).map_err(BindError::custom)?;
        Ok(&start[..start.len() - self.scanner.rest().len()])
    }

    /// Reads a float where one is expected; it need not be finite then.
    fn float<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        let token = self.token(|_| true)?;
        self.visit(token, visitor)
    }
}

impl<'a> de::Deserializer<'a> for Reader<'_, 'a> {
    type Error = BindError;

    fn deserialize_any<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        match self.token(|_| true)? {
            // A type that takes any value may pass it on, and types such as serde_json's would make this number null.
            Token::Float32(number) if !number.is_finite() => Err(BindError::custom(NotPortable::Number)),
            Token::Float64(number) if !number.is_finite() => Err(BindError::custom(NotPortable::Number)),
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        self.float(visitor)
    }

    fn deserialize_char<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        match self.token(|token| matches!(token, Token::Unsigned(_) | Token::Str(_)))? {
            Token::Unsigned(code) => {
                let character = u32::try_from(code).ok().and_then(char::from_u32);
                visitor.visit_char(character.ok_or_else(|| BindError::custom("there is no such character"))?)
            }
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        // Types that are text would take bytes, too.
        let token = self.token(|token| !matches!(token, Token::Bin(_)))?;
        self.visit(token, visitor)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        // Types of bytes would take the numbers of an array.
        let token = self.token(|token| !matches!(token, Token::Array(_)))?;
        self.visit(token, visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, BindError> {
        match self.token(|_| true)? {
            Token::Bin(bytes) => {
                let mut elements = SeqDeserializer::<_, BindError>::new(bytes.iter().copied());
                let value = visitor.visit_seq(&mut elements)?;
                elements.end().map(|()| value)
            }
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Result<V::Value, BindError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        if self.scanner.code()? != format::NIL {
            return visitor.visit_some(self);
        }
        self.scanner.token()?;
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, BindError> {
        match name {
            ANY_VALUE => visit_encoded(MESSAGE_PACK, self.any_value()?, visitor),
            RAW_VALUE => {
                let value = Meaning(self.any_value()?);
                let mut text = Vec::new();
                json::write_value(&value, &mut text).map_err(BindError::custom)?;
                visit_raw(String::from_utf8(text).map_err(BindError::custom)?.into(), visitor)
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        mut self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        // Derived types would take the fields in order from an array.
        match self.token(|token| !matches!(token, Token::Array(_)))? {
            Token::Map(count) => visitor.visit_map(self::fields(fields, self.open(count)?)?),
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'a>>(
        mut self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, BindError> {
        match self.token(|token| matches!(token, Token::Str(_) | Token::Map(1)))? {
            Token::Str(variant) => visitor.visit_enum(BorrowedStrDeserializer::new(text(variant)?)),
            _ => visitor.visit_enum(self.open(1)?),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, BindError> {
        self.scanner.value()?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 unit unit_struct tuple_struct map identifier
    }
}

/// Hands out the members of an array or map that was entered.
struct CompoundReader<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    depth: u32,
    left: usize,
}

impl<'a> CompoundReader<'_, 'a> {
    fn next(&mut self) -> Option<Reader<'_, 'a>> {
        self.left = self.left.checked_sub(1)?;
        Some(self.value())
    }

    fn value(&mut self) -> Reader<'_, 'a> {
        Reader { scanner: self.scanner, depth: self.depth }
    }
}

impl<'a> de::SeqAccess<'a> for &mut CompoundReader<'_, 'a> {
    type Error = BindError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, BindError> {
        self.next().map(|reader| seed.deserialize(reader)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'a> de::MapAccess<'a> for CompoundReader<'_, 'a> {
    type Error = BindError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, BindError> {
        let Some(mut reader) = self.next() else {
            return Ok(None);
        };
        // A string may hold a number, because keys of JavaScript objects are always strings.
        let key = match reader.scanner.clone().token()? {
            Token::Str(_) => match reader.token(|_| true)? {
                Token::Str(name) => seed.deserialize(Key(name_of_data(text(name)?)?.into())),
                _ => return Ok(None),
            },
            _ => seed.deserialize(reader),
        };
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, BindError> {
        seed.deserialize(self.value())
    }
}

/// Hands out the variant of an enum that was sent as a map of one entry.
impl<'s, 'a> de::EnumAccess<'a> for CompoundReader<'s, 'a> {
    type Error = BindError;
    type Variant = Reader<'s, 'a>;

    fn variant_seed<V: DeserializeSeed<'a>>(mut self, seed: V) -> Result<(V::Value, Reader<'s, 'a>), BindError> {
        let variant = seed.deserialize(self.value())?;
        Ok((variant, Reader { scanner: self.scanner, depth: self.depth }))
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

/// Reads the entries of a whole map.
fn fields<'a>(
    names: &'static [&'static str],
    mut members: CompoundReader<'_, 'a>,
) -> Result<Fields<'a, AtDepth>, BindError> {
    let mut fields = Fields::new(names, AtDepth(members.depth));
    while let Some(mut reader) = members.next() {
        let name = match reader.token(|token| matches!(token, Token::Str(_)))? {
            Token::Str(name) => text(name)?,
            _ => "",
        };
        let value = reader.scanner.value()?;
        fields.add(name.into(), position(name, names), value);
    }
    Ok(fields)
}

/// Reads values that were passed over before, and that are inside this number of arrays and maps.
struct AtDepth(u32);

impl<'a> ReadValue<'a> for AtDepth {
    fn read<S: DeserializeSeed<'a>>(&self, value: &'a [u8], seed: S) -> Result<S::Value, BindError> {
        seed.deserialize(Reader { scanner: &mut Scanner::new(value), depth: self.0 })
    }
}

fn text(bytes: &[u8]) -> Result<&str, BindError> {
    std::str::from_utf8(bytes).map_err(BindError::custom)
}

impl From<ScanError> for BindError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::End => Self::custom("the value ends too early"),
            ScanError::Code(code) => Self::custom(format_args!("unexpected {}", format::name(code))),
            ScanError::Depth => Self::custom("the value is nested too deep"),
        }
    }
}

#[cfg(test)]
mod tests;
