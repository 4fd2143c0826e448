//! Writes values of any type as System.Text.Json does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::ser::{self, Serialize};

use super::escape::write_string;
use super::number::{write_f32, write_f64};
use crate::encoded::{JSON, SERDE_JSON_TEXTS};
use crate::error::EncodeError;
use crate::limits::MAX_DEPTH;

/// Appends arguments as an array; leaves `out` as it was on failure.
pub(crate) fn write_arguments<T: Serialize + ?Sized>(arguments: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    write_value(arguments, out)?;
    match &out[start..] {
        b"null" => {
            out.truncate(start);
            out.extend_from_slice(b"[]");
        }
        [b'[', ..] => {}
        _ => {
            out.truncate(start);
            return Err(EncodeError::NotATuple);
        }
    }
    Ok(())
}

/// Appends one value; leaves `out` as it was on failure.
pub(crate) fn write_value<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let written = value.serialize(Writer::new(out, 0));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Appends text that is JSON already, as it was spelt, but on one line.
///
/// A line break can only stand between tokens, where a space means the same. A server's messages have none in the original
/// (HubProtocol, JSON Encoding), and readers of event streams rely on it.
fn append_encoded(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text);
    let mut appended = &mut out[start..];
    while let Some(at) = memchr::memchr2(b'\r', b'\n', appended) {
        appended[at] = b' ';
        appended = &mut appended[at + 1..];
    }
}

/// Writes one value at the end of `out`.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    depth: u32,
    /// The value that comes is JSON already: it is asked for its bytes, which are appended as they are.
    is_encoded: bool,
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut Vec<u8>, depth: u32) -> Self {
        Self { out, depth, is_encoded: false }
    }

    fn text(self, text: &str) -> Result<(), EncodeError> {
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn open(self, bracket: u8, closing: &'static [u8]) -> Result<CompoundWriter<'o>, EncodeError> {
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::Depth);
        }
        self.out.push(bracket);
        Ok(CompoundWriter { out: self.out, depth: self.depth + 1, first: true, closing, is_json_text: false })
    }

    /// Opens `{"variant":` and, inside of it, the bracket.
    fn open_variant(
        self,
        variant: &'static str,
        bracket: u8,
        closing: &'static [u8],
    ) -> Result<CompoundWriter<'o>, EncodeError> {
        let mut outer = self.open(b'{', b"}")?;
        outer.name(variant);
        Writer::new(outer.out, outer.depth).open(bracket, closing)
    }
}

macro_rules! write_integers {
    ($($method:ident $type:ty),*) => {
        $(fn $method(self, number: $type) -> Result<(), EncodeError> {
            self.text(&number.to_string())
        })*
    };
}

impl<'o> ser::Serializer for Writer<'o> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = CompoundWriter<'o>;
    type SerializeTuple = CompoundWriter<'o>;
    type SerializeTupleStruct = CompoundWriter<'o>;
    type SerializeTupleVariant = CompoundWriter<'o>;
    type SerializeMap = CompoundWriter<'o>;
    type SerializeStruct = CompoundWriter<'o>;
    type SerializeStructVariant = CompoundWriter<'o>;

    fn is_human_readable(&self) -> bool {
        !self.is_encoded
    }

    write_integers!(serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128);
    write_integers!(serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128);

    fn serialize_bool(self, truth: bool) -> Result<(), EncodeError> {
        self.text(if truth { "true" } else { "false" })
    }

    fn serialize_f32(self, number: f32) -> Result<(), EncodeError> {
        if !number.is_finite() {
            return Err(EncodeError::NotFinite);
        }
        write_f32(number, self.out);
        Ok(())
    }

    fn serialize_f64(self, number: f64) -> Result<(), EncodeError> {
        if !number.is_finite() {
            return Err(EncodeError::NotFinite);
        }
        write_f64(number, self.out);
        Ok(())
    }

    fn serialize_char(self, character: char) -> Result<(), EncodeError> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), EncodeError> {
        write_string(text, self.out);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), EncodeError> {
        if self.is_encoded {
            append_encoded(bytes, self.out);
            return Ok(());
        }
        self.text(&format!("\"{}\"", BASE64.encode(bytes)))
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.text("null")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.text("null")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), EncodeError> {
        self.text("null")
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        value.serialize(Writer { is_encoded: name == JSON, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let mut members = self.open(b'{', b"}")?;
        members.name(variant);
        members.value(value)?;
        members.close()
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(b'[', b"]")
    }

    fn serialize_tuple(self, _len: usize) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(b'[', b"]")
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(b'[', b"]")
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open_variant(variant, b'[', b"]}")
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(b'{', b"}")
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<CompoundWriter<'o>, EncodeError> {
        if SERDE_JSON_TEXTS.contains(&name) {
            return Ok(CompoundWriter {
                out: self.out,
                depth: self.depth,
                first: true,
                closing: b"",
                is_json_text: true,
            });
        }
        self.open(b'{', b"}")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open_variant(variant, b'{', b"}}")
    }
}

/// Writes the members of an open array or object.
struct CompoundWriter<'o> {
    out: &'o mut Vec<u8>,
    depth: u32,
    first: bool,
    closing: &'static [u8],
    /// It is a type of serde_json whose only field is JSON text, which is appended as it is.
    is_json_text: bool,
}

impl CompoundWriter<'_> {
    fn separate(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
    }

    fn name(&mut self, name: &str) {
        self.separate();
        write_string(name, self.out);
        self.out.push(b':');
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(Writer::new(self.out, self.depth))
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.separate();
        self.value(value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        if self.is_json_text {
            let text = value.serialize(serde_json::value::Serializer).map_err(ser::Error::custom)?;
            append_encoded(text.as_str().unwrap_or_default().as_bytes(), self.out);
            return Ok(());
        }
        self.name(name);
        self.value(value)
    }

    fn close(self) -> Result<(), EncodeError> {
        self.out.extend_from_slice(self.closing);
        Ok(())
    }
}

macro_rules! write_members {
    ($($trait:ident $method:ident $member:ident ($($name:ident)?)),*) => {
        $(impl ser::$trait for CompoundWriter<'_> {
            type Ok = ();
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result<(), EncodeError> {
                self.$member($($name,)? value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.close()
            }
        })*
    };
}

write_members!(
    SerializeSeq serialize_element element (),
    SerializeTuple serialize_element element (),
    SerializeTupleStruct serialize_field element (),
    SerializeTupleVariant serialize_field element (),
    SerializeStruct serialize_field field (name),
    SerializeStructVariant serialize_field field (name)
);

impl ser::SerializeMap for CompoundWriter<'_> {
    type Ok = ();
    type Error = EncodeError;

    /// A key is written as any value, and put in quotes when it is a number or a truth.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.separate();
        let start = self.out.len();
        self.value(key)?;
        match self.out.get(start) {
            Some(b'"') => {}
            Some(b'0'..=b'9' | b'-' | b't' | b'f') => {
                self.out.insert(start, b'"');
                self.out.push(b'"');
            }
            _ => return Err(EncodeError::Key),
        }
        self.out.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.value(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

#[cfg(test)]
mod tests;
