//! A byte-level reader of JSON text (RFC 8259).
//!
//! It checks syntax and nesting, and hands out slices. The content of a string is checked only when it is decoded, so that
//! invalid UTF-8 inside a skipped value or an argument is not an error of the record (HubProtocol, JSON encoding).

use super::text::{Text, escape_len};
use crate::limits::MAX_DEPTH;

/// The text is not JSON, or is nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntaxError;

/// What a value is, as its first byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// Gives the original's name of the token that begins such a value.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Array => "StartArray",
            Self::Object => "StartObject",
            _ => self.name(),
        }
    }

    /// Returns the name of the kind of value in the original's texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::True => "True",
            Self::False => "False",
            Self::Number => "Number",
            Self::String => "String",
            Self::Array => "Array",
            Self::Object => "Object",
        }
    }
}

/// Reads one JSON text from front to back.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, depth: 0 }
    }

    /// Returns the kind of the next value, without consuming it.
    pub(crate) fn kind(&mut self) -> Result<Kind, SyntaxError> {
        match self.peek() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::String),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            _ => Err(SyntaxError),
        }
    }

    /// Skips one value of any kind and returns its text.
    pub(crate) fn value(&mut self) -> Result<&'a [u8], SyntaxError> {
        self.value_with(&mut Unchecked)
    }

    /// Skips one value of any kind and returns its text with the white space in front of it, as the original passes on the
    /// results of clients (HubProtocol, client results).
    pub(crate) fn spaced_value(&mut self) -> Result<&'a [u8], SyntaxError> {
        let len = self.value()?.len();
        let before = &self.input[..self.at - len];
        let spaces = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        Ok(&self.input[before.len() - spaces..self.at])
    }

    /// Skips one value, checks all of its parts, and returns its text.
    pub(crate) fn value_with<C: Check>(&mut self, check: &mut C) -> Result<&'a [u8], C::Error> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Null => self.word(b"null")?,
            Kind::True => self.word(b"true")?,
            Kind::False => self.word(b"false")?,
            Kind::Number => check.number(self.number()?)?,
            Kind::String => check.string(self.string()?)?,
            Kind::Array => {
                check.enter()?;
                self.open()?;
                let mut first = true;
                while self.next_element(&mut first)? {
                    self.value_with(check)?;
                }
                check.leave();
            }
            Kind::Object => {
                check.enter()?;
                self.open()?;
                let mut first = true;
                while let Some(name) = self.next_property(&mut first)? {
                    check.name(name)?;
                    self.value_with(check)?;
                }
                check.leave();
            }
        }
        Ok(&self.input[start..self.at])
    }

    /// Consumes the bracket that opens an array or object; the caller has seen it.
    pub(crate) fn open(&mut self) -> Result<(), SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Moves to the next element of the open array; at its end consumes the bracket and gives `false`.
    pub(crate) fn next_element(&mut self, first: &mut bool) -> Result<bool, SyntaxError> {
        self.next_member(b']', first)
    }

    /// Reads the next property name of the open object and its colon; at its end consumes the bracket and gives `None`.
    pub(crate) fn next_property(&mut self, first: &mut bool) -> Result<Option<Text<'a>>, SyntaxError> {
        if !self.next_member(b'}', first)? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return Err(SyntaxError);
        }
        let name = self.string()?;
        if self.peek() != Some(b':') {
            return Err(SyntaxError);
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Reads a string whose opening quote comes next.
    pub(crate) fn string(&mut self) -> Result<Text<'a>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_run(&self.input[self.at..]);
            match self.input.get(self.at) {
                Some(b'"') => {
                    let raw = &self.input[start..self.at];
                    self.at += 1;
                    return Ok(Text::new(raw, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += escape_len(&self.input[self.at..]).ok_or(SyntaxError)?;
                }
                _ => return Err(SyntaxError),
            }
        }
    }

    /// Reads a number whose first byte comes next.
    pub(crate) fn number(&mut self) -> Result<&'a [u8], SyntaxError> {
        let start = self.at;
        self.accept(b"-");
        if !self.accept(b"0") {
            self.digits()?;
        }
        if self.accept(b".") {
            self.digits()?;
        }
        if self.accept(b"eE") {
            self.accept(b"+-");
            self.digits()?;
        }
        match self.input.get(self.at) {
            None if self.depth == 0 => Ok(&self.input[start..self.at]),
            Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}') => Ok(&self.input[start..self.at]),
            _ => Err(SyntaxError),
        }
    }

    /// Reads `null`, `true` or `false`.
    pub(crate) fn word(&mut self, word: &[u8]) -> Result<(), SyntaxError> {
        if !self.input[self.at..].starts_with(word) {
            return Err(SyntaxError);
        }
        self.at += word.len();
        Ok(())
    }

    /// Succeeds when nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(SyntaxError),
        }
    }

    fn next_member(&mut self, close: u8, first: &mut bool) -> Result<bool, SyntaxError> {
        let next = self.peek().ok_or(SyntaxError)?;
        if next == close && *first {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if *first {
            *first = false;
            return Ok(true);
        }
        self.at += 1;
        if next == close {
            self.depth -= 1;
            return Ok(false);
        }
        if next == b',' { Ok(true) } else { Err(SyntaxError) }
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.input.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn accept(&mut self, any_of: &[u8]) -> bool {
        let found = self.input.get(self.at).is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), SyntaxError> {
        let count = self.input[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(SyntaxError) } else { Ok(()) }
    }
}

/// Checks the parts of a value while the scanner passes over them.
pub(crate) trait Check {
    /// Why a part is refused.
    type Error: From<SyntaxError>;

    /// Checks the name of a member.
    fn name(&mut self, text: Text<'_>) -> Result<(), Self::Error>;

    /// Checks a string.
    fn string(&mut self, text: Text<'_>) -> Result<(), Self::Error>;

    /// Checks a number.
    fn number(&mut self, number: &[u8]) -> Result<(), Self::Error>;

    /// An array or object begins.
    fn enter(&mut self) -> Result<(), Self::Error>;

    /// It has ended.
    fn leave(&mut self);
}

/// Accepts everything that is JSON.
struct Unchecked;

impl Check for Unchecked {
    type Error = SyntaxError;

    fn name(&mut self, _: Text<'_>) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn string(&mut self, _: Text<'_>) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn number(&mut self, _: &[u8]) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn enter(&mut self) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn leave(&mut self) {}
}

/// Counts the bytes in front of the first quote, backslash or control character.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut run = 0;
    // Eight bytes at a time. A borrow can wrongly mark a byte, but only after a byte that is marked correctly, so the first mark is correct.
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes"));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero_byte(word ^ (ONES * u64::from(b'"')));
        let backslash = zero_byte(word ^ (ONES * u64::from(b'\\')));
        let marks = (control | quote | backslash) & HIGHS;
        if marks != 0 {
            return run + marks.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    let tail = &bytes[run..];
    run + tail.iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count()
}

#[cfg(test)]
mod tests;
