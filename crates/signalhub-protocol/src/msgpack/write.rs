//! Writes values of any type as the original's MessagePack-CSharp does.

use std::collections::HashSet;
use std::ops::Range;

use serde::ser::{self, Error, Serialize};

use super::format::{
    Container, FALSE, FLOAT_32, FLOAT_64, NIL, TRUE, write_bin, write_head, write_signed, write_str, write_unsigned,
};
use super::names::pascal_case;
use super::scan::{Scanner, Token};
use super::time;
use crate::date_time::DateTime;
use crate::encoded::{MESSAGE_PACK, SERDE_JSON_TEXTS};
use crate::error::EncodeError;
use crate::json;
use crate::limits::MAX_DEPTH;
use crate::portable::PROTOTYPE;
use crate::timestamp::Timestamp;

/// Appends arguments as an array; leaves `out` as it was on failure.
pub(crate) fn write_arguments<T: Serialize + ?Sized>(arguments: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    write_value(arguments, out)?;
    match Scanner::new(&out[start..]).token() {
        Ok(Token::Array(_)) => return Ok(()),
        Ok(Token::Nil) => {
            out.truncate(start);
            write_head(Container::Array, 0, out);
            return Ok(());
        }
        _ => {}
    }
    out.truncate(start);
    Err(EncodeError::NotATuple)
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

/// Writes one value at the end of `out`.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    depth: u32,
    /// The value that comes is MessagePack already: it is asked for its bytes, which are appended as they are.
    is_encoded: bool,
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut Vec<u8>, depth: u32) -> Self {
        Self { out, depth, is_encoded: false }
    }

    fn code(self, code: u8) -> Result<(), EncodeError> {
        self.out.push(code);
        Ok(())
    }

    /// Opens an array or map. If the length is known, its head has the right width at once.
    fn open(self, container: Container, len: Option<usize>) -> Result<CompoundWriter<'o>, EncodeError> {
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::Depth);
        }
        let start = self.out.len();
        write_head(container, len.unwrap_or_default(), self.out);
        let head = start..self.out.len();
        let entries = Vec::new();
        Ok(CompoundWriter {
            out: self.out,
            depth: self.depth + 1,
            container,
            head,
            count: 0,
            entries,
            is_json_text: false,
        })
    }

    /// Opens a map with the variant as its only name, and inside of it the array or map.
    fn open_variant(
        self,
        variant: &'static str,
        container: Container,
        len: usize,
    ) -> Result<CompoundWriter<'o>, EncodeError> {
        let depth = self.depth + 1;
        write_head(Container::Map, 1, self.out);
        write_str(variant, self.out);
        Writer::new(self.out, depth).open(container, Some(len))
    }

    fn timestamp<T: Serialize + ?Sized>(self, text: &T) -> Result<(), EncodeError> {
        let text = text.serialize(serde_json::value::Serializer).map_err(EncodeError::custom)?;
        let text = text.as_str().unwrap_or_default();
        // Text of a `Timestamp` has more digits than a `DateTime` reads; text without zone is of the latter.
        let time = text.parse().map(|Timestamp(time)| time).or_else(|_| text.parse().map(DateTime::in_utc));
        time::write(time.map_err(EncodeError::custom)?, self.out);
        Ok(())
    }
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

    fn serialize_i8(self, number: i8) -> Result<(), EncodeError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i16(self, number: i16) -> Result<(), EncodeError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i32(self, number: i32) -> Result<(), EncodeError> {
        self.serialize_i64(number.into())
    }

    fn serialize_i64(self, number: i64) -> Result<(), EncodeError> {
        write_signed(number, self.out);
        Ok(())
    }

    fn serialize_i128(self, number: i128) -> Result<(), EncodeError> {
        match (u64::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => self.serialize_u64(number),
            (_, Ok(number)) => self.serialize_i64(number),
            _ => Err(EncodeError::TooWide),
        }
    }

    fn serialize_u8(self, number: u8) -> Result<(), EncodeError> {
        self.serialize_u64(number.into())
    }

    fn serialize_u16(self, number: u16) -> Result<(), EncodeError> {
        self.serialize_u64(number.into())
    }

    fn serialize_u32(self, number: u32) -> Result<(), EncodeError> {
        self.serialize_u64(number.into())
    }

    fn serialize_u64(self, number: u64) -> Result<(), EncodeError> {
        write_unsigned(number, self.out);
        Ok(())
    }

    fn serialize_u128(self, number: u128) -> Result<(), EncodeError> {
        self.serialize_u64(u64::try_from(number).map_err(|_| EncodeError::TooWide)?)
    }

    fn serialize_bool(self, truth: bool) -> Result<(), EncodeError> {
        self.code(if truth { TRUE } else { FALSE })
    }

    fn serialize_f32(self, number: f32) -> Result<(), EncodeError> {
        self.out.push(FLOAT_32);
        self.out.extend_from_slice(&number.to_be_bytes());
        Ok(())
    }

    fn serialize_f64(self, number: f64) -> Result<(), EncodeError> {
        self.out.push(FLOAT_64);
        self.out.extend_from_slice(&number.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, character: char) -> Result<(), EncodeError> {
        self.serialize_u32(character.into())
    }

    fn serialize_str(self, text: &str) -> Result<(), EncodeError> {
        write_str(text, self.out);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), EncodeError> {
        if self.is_encoded {
            self.out.extend_from_slice(bytes);
        } else {
            write_bin(bytes, self.out);
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.code(NIL)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.code(NIL)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), EncodeError> {
        self.code(NIL)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        if name == Timestamp::NAME {
            return self.timestamp(value);
        }
        value.serialize(Writer { is_encoded: name == MESSAGE_PACK, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let mut members = self.open(Container::Map, Some(1))?;
        write_str(variant, members.out);
        members.value(value)?;
        members.close()
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(Container::Array, len)
    }

    fn serialize_tuple(self, len: usize) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(Container::Array, Some(len))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(Container::Array, Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open_variant(variant, Container::Array, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open(Container::Map, len)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<CompoundWriter<'o>, EncodeError> {
        if SERDE_JSON_TEXTS.contains(&name) {
            let end = self.out.len();
            let (out, depth) = (self.out, self.depth);
            let (container, head, entries) = (Container::Map, end..end, Vec::new());
            return Ok(CompoundWriter { out, depth, container, head, count: 0, entries, is_json_text: true });
        }
        self.open(Container::Map, Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<CompoundWriter<'o>, EncodeError> {
        self.open_variant(variant, Container::Map, len)
    }
}

/// Writes the members of an open array or map.
struct CompoundWriter<'o> {
    out: &'o mut Vec<u8>,
    depth: u32,
    container: Container,
    /// Where the head stands, for as many members as were announced.
    head: Range<usize>,
    count: usize,
    /// The keys of a map whose names are data: where each stands.
    entries: Vec<Range<usize>>,
    /// It is a type of serde_json whose only field is JSON text, which is translated to MessagePack.
    is_json_text: bool,
}

impl CompoundWriter<'_> {
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.count += 1;
        value.serialize(Writer::new(self.out, self.depth))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
        if self.is_json_text {
            let text = value.serialize(serde_json::value::Serializer).map_err(EncodeError::custom)?;
            let text = text.as_str().unwrap_or_default().as_bytes();
            return json::forward(text, Writer::new(self.out, self.depth));
        }
        write_str(&pascal_case(name).collect::<String>(), self.out);
        self.value(value)
    }

    /// Keeps only the last of several entries with the same key, as readers of JSON do: readers of MessagePack may refuse
    /// duplicates.
    fn keep_last_of_each_key(&mut self) {
        let mut keys = HashSet::with_capacity(self.entries.len());
        let ends = self.entries.iter().skip(1).map(|key| key.start).chain([self.out.len()]);
        let mut kept: Vec<Range<usize>> = self.entries.iter().zip(ends).map(|(key, end)| key.start..end).collect();
        let mut last = self.entries.iter().rev();
        kept.reverse();
        kept.retain(|_| last.next().is_some_and(|key| keys.insert(&self.out[key.clone()])));
        if kept.len() == self.entries.len() {
            return;
        }
        self.count = kept.len();
        let mut end = self.head.end;
        for entry in kept.into_iter().rev() {
            let len = entry.len();
            self.out.copy_within(entry, end);
            end += len;
        }
        self.out.truncate(end);
    }

    /// Corrects the head if there were more or less members than announced.
    fn close(mut self) -> Result<(), EncodeError> {
        if self.entries.len() > 1 {
            self.keep_last_of_each_key();
        }
        if !self.is_json_text {
            let mut head = Vec::with_capacity(5);
            write_head(self.container, self.count, &mut head);
            self.out.splice(self.head, head);
        }
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
    SerializeSeq serialize_element value (),
    SerializeTuple serialize_element value (),
    SerializeTupleStruct serialize_field value (),
    SerializeTupleVariant serialize_field value (),
    SerializeStruct serialize_field field (name),
    SerializeStructVariant serialize_field field (name)
);

impl ser::SerializeMap for CompoundWriter<'_> {
    type Ok = ();
    type Error = EncodeError;

    /// Refuses keys other than strings and numbers: `@msgpack/msgpack`, with which official clients in JavaScript read MessagePack,
    /// accepts no others, and the client ends its connection.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        let start = self.out.len();
        key.serialize(Writer::new(self.out, self.depth))?;
        match Scanner::new(&self.out[start..]).token() {
            Ok(Token::Str(name)) if name == PROTOTYPE.as_bytes() => return Err(EncodeError::Prototype),
            Ok(Token::Str(_) | Token::Unsigned(_) | Token::Negative(_) | Token::Float32(_) | Token::Float64(_)) => {}
            _ => return Err(EncodeError::Key),
        }
        self.entries.push(start..self.out.len());
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
