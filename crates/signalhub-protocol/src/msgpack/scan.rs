//! A byte-level reader of MessagePack.
//!
//! It reads one head after another and returns slices. It never recurses, so that deep nesting costs no stack.

use super::format::{
    ARRAY_16, BIN_8, EXT_8, FALSE, FIXEXT_1, FLOAT_32, FLOAT_64, INT_8, MAP_16, NIL, STR_8, TRUE, UINT_8,
};
use crate::limits::MAX_DEPTH;

/// The bytes are not a value of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// They end too early.
    #[error("the value ends too early")]
    End,
    /// The value begins with this byte.
    #[error("a value begins with the byte {0:#04x}")]
    Code(u8),
    /// Arrays and maps are nested too deep.
    #[error("arrays and maps are nested too deep")]
    Depth,
}

/// The head of a value, with all of a value that holds no others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    /// No value.
    Nil,
    /// A truth value.
    Truth(bool),
    /// An integer that is not negative.
    Unsigned(u64),
    /// A negative integer.
    Negative(i64),
    /// A float of 32 bits.
    Float32(f32),
    /// A float of 64 bits.
    Float64(f64),
    /// A string, which may be no UTF-8.
    Str(&'a [u8]),
    /// Bytes.
    Bin(&'a [u8]),
    /// An extension: its type and its bytes.
    Ext(i8, &'a [u8]),
    /// An array with this number of elements.
    Array(usize),
    /// A map with this number of entries.
    Map(usize),
}

/// Reads values from front to back.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at the front of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// Gives the first byte of the next value, without consuming it.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn code(&self) -> Result<u8, ScanError> {
        self.input.get(self.at).copied().ok_or(ScanError::End)
    }

    /// Returns the bytes that are not consumed yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    /// Consumes one head, or a whole value that holds no others.
    ///
    /// # Errors
    /// What is left does not begin with a value. A count of elements beyond the bytes that are left is refused, so that a
    /// caller may reserve memory for it.
    pub fn token(&mut self) -> Result<Token<'a>, ScanError> {
        let code = self.code()?;
        let start = self.at;
        self.at += 1;
        let token = self.token_of(code);
        if token.is_err() {
            self.at = start;
        }
        token
    }

    fn token_of(&mut self, code: u8) -> Result<Token<'a>, ScanError> {
        Ok(match code {
            0x00..=0x7F => Token::Unsigned(code.into()),
            0x80..=0x8F => self.map(usize::from(code & 0x0F))?,
            0x90..=0x9F => self.array(usize::from(code & 0x0F))?,
            0xA0..=0xBF => Token::Str(self.bytes(usize::from(code & 0x1F))?),
            NIL => Token::Nil,
            0xC1 => return Err(ScanError::Code(code)),
            FALSE => Token::Truth(false),
            TRUE => Token::Truth(true),
            BIN_8..EXT_8 => {
                let len = self.len(code - BIN_8)?;
                Token::Bin(self.bytes(len)?)
            }
            EXT_8..FLOAT_32 => {
                let len = self.len(code - EXT_8)?;
                self.ext(len)?
            }
            FLOAT_32 => Token::Float32(f32::from_be_bytes(self.fixed()?)),
            FLOAT_64 => Token::Float64(f64::from_be_bytes(self.fixed()?)),
            UINT_8..INT_8 => Token::Unsigned(self.unsigned(code - UINT_8)?),
            INT_8..FIXEXT_1 => {
                let number = match code - INT_8 {
                    0 => i8::from_be_bytes(self.fixed()?).into(),
                    1 => i16::from_be_bytes(self.fixed()?).into(),
                    2 => i32::from_be_bytes(self.fixed()?).into(),
                    _ => i64::from_be_bytes(self.fixed()?),
                };
                u64::try_from(number).map_or(Token::Negative(number), Token::Unsigned)
            }
            FIXEXT_1..STR_8 => self.ext(1 << (code - FIXEXT_1))?,
            STR_8..ARRAY_16 => {
                let len = self.len(code - STR_8)?;
                Token::Str(self.bytes(len)?)
            }
            ARRAY_16..MAP_16 => {
                let count = self.len(code - ARRAY_16 + 1)?;
                self.array(count)?
            }
            MAP_16..0xE0 => {
                let count = self.len(code - MAP_16 + 1)?;
                self.map(count)?
            }
            0xE0..=0xFF => Token::Negative(i8::from_be_bytes([code]).into()),
        })
    }

    /// Passes over one value of any kind and gives its bytes.
    ///
    /// # Errors
    /// What is left does not begin with a value, or with one that is nested deeper than 64 levels.
    pub fn value(&mut self) -> Result<&'a [u8], ScanError> {
        let start = self.at;
        // How many values are still to come in each open array or map.
        let mut open = [0; MAX_DEPTH as usize];
        let mut depth = 0;
        loop {
            let values = match self.token()? {
                Token::Array(count) => Some(count),
                Token::Map(count) => Some(count * 2),
                _ => None,
            };
            if let Some(values) = values {
                *open.get_mut(depth).ok_or(ScanError::Depth)? = values + 1;
                depth += 1;
            }
            // The value that was read has ended, and with it each array or map whose last one it was.
            while depth > 0 {
                open[depth - 1] -= 1;
                if open[depth - 1] > 0 {
                    break;
                }
                depth -= 1;
            }
            if depth == 0 {
                return Ok(&self.input[start..self.at]);
            }
        }
    }

    /// Each element takes at least one byte, so that a count beyond the input is refused before it is used.
    fn array(&self, count: usize) -> Result<Token<'a>, ScanError> {
        if self.rest().len() < count { Err(ScanError::End) } else { Ok(Token::Array(count)) }
    }

    fn map(&self, count: usize) -> Result<Token<'a>, ScanError> {
        if self.rest().len() / 2 < count { Err(ScanError::End) } else { Ok(Token::Map(count)) }
    }

    fn ext(&mut self, len: usize) -> Result<Token<'a>, ScanError> {
        let kind = i8::from_be_bytes(self.fixed()?);
        Ok(Token::Ext(kind, self.bytes(len)?))
    }

    /// Reads a length of 8, 16 or 32 bits.
    fn len(&mut self, width: u8) -> Result<usize, ScanError> {
        // On narrower machines a length beyond their memory is beyond the input, too.
        self.unsigned(width).map(|len| usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Reads an integer of 8, 16, 32 or 64 bits.
    fn unsigned(&mut self, width: u8) -> Result<u64, ScanError> {
        Ok(match width {
            0 => u8::from_be_bytes(self.fixed()?).into(),
            1 => u16::from_be_bytes(self.fixed()?).into(),
            2 => u32::from_be_bytes(self.fixed()?).into(),
            _ => u64::from_be_bytes(self.fixed()?),
        })
    }

    fn fixed<const LEN: usize>(&mut self) -> Result<[u8; LEN], ScanError> {
        let bytes = self.rest().first_chunk().ok_or(ScanError::End)?;
        self.at += LEN;
        Ok(*bytes)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], ScanError> {
        let bytes = self.rest().get(..len).ok_or(ScanError::End)?;
        self.at += len;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
