//! Validates UTF-8 that arrives in pieces.

use std::str;

/// Checks a text piece by piece. It fails at the first byte that cannot be part of valid UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The bytes of an incomplete character: at most three.
    begun: [u8; 4],
    filled: u8,
}

/// The text is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

impl Utf8 {
    /// Checks the next piece.
    pub(super) fn extend(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.filled > 0 {
            let Some((byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            let filled = usize::from(self.filled);
            self.begun[filled] = *byte;
            piece = rest;
            match incomplete_end(&self.begun[..=filled])? {
                [] => self.filled = 0,
                _ => self.filled += 1,
            }
        }
        let end = incomplete_end(piece)?;
        self.begun[..end.len()].copy_from_slice(end);
        self.filled = end.len() as u8;
        Ok(())
    }

    /// Checks that the text ends with a whole character.
    pub(super) fn finish(&self) -> Result<(), NotUtf8> {
        if self.filled == 0 { Ok(()) } else { Err(NotUtf8) }
    }
}

/// Returns the incomplete character at the end of `text`; empty if the last character is complete.
///
/// The standard library reports an end as incomplete only if more bytes could make it valid. Otherwise the text is
/// refused at once.
fn incomplete_end(text: &[u8]) -> Result<&[u8], NotUtf8> {
    match str::from_utf8(text) {
        Ok(_) => Ok(&[]),
        Err(error) if error.error_len().is_none() => Ok(&text[error.valid_up_to()..]),
        Err(_) => Err(NotUtf8),
    }
}
