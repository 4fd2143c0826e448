//! Strings of JSON, their escapes, and the reasons why a string is invalid (RFC 8259, section 7).

use std::borrow::Cow;

/// A string as it was spelt, without its quotes; its escapes are well-formed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Takes what stands between the quotes, and whether it has escapes.
    #[inline]
    pub(super) fn new(raw: &'a [u8], escaped: bool) -> Self {
        Self { raw, escaped }
    }

    pub(crate) fn is_escaped(self) -> bool {
        self.escaped
    }

    /// Returns the bytes to compare with these names.
    ///
    /// The original compares an escaped name piece by piece and fails where it comes to half a surrogate pair. It does not
    /// come there if the length, or what stands before the first escape, shows that the name is none of them.
    #[inline]
    pub(crate) fn known_bytes(self, names: &[&str]) -> Result<Cow<'a, [u8]>, TextError> {
        if self.escaped { self.decode_known(names) } else { Ok(Cow::Borrowed(self.raw)) }
    }

    #[cold]
    fn decode_known(self, names: &[&str]) -> Result<Cow<'a, [u8]>, TextError> {
        match self.decode() {
            Ok(name) => Ok(Cow::Owned(name.into_owned().into_bytes())),
            Err(TextError::Utf8) => Ok(Cow::Borrowed(b"")),
            Err(error) if names.iter().any(|name| self.may_be(name)) => Err(error),
            Err(_) => Ok(Cow::Borrowed(b"")),
        }
    }

    /// Tells whether the original decodes the text to compare it with this name.
    fn may_be(self, name: &str) -> bool {
        /// The longest spelling of a character, `\u0041`.
        const LONGEST: usize = 6;
        let plain = memchr::memchr(b'\\', self.raw).unwrap_or(self.raw.len());
        name.len() <= self.raw.len()
            && self.raw.len() / LONGEST <= name.len()
            && name.as_bytes().starts_with(&self.raw[..plain])
    }

    /// Whether it is this text, with or without escapes.
    pub(crate) fn is(self, text: &str) -> bool {
        if self.escaped { self.decode().is_ok_and(|own| own == text) } else { self.raw == text.as_bytes() }
    }

    /// Checks that its escapes are characters. The text between them is not checked.
    pub(crate) fn check_escapes(self) -> Result<(), TextError> {
        let mut rest = self.raw;
        while self.escaped
            && let Some(at) = memchr::memchr(b'\\', rest)
        {
            let (_, len) = unescape(&rest[at..])?;
            rest = &rest[at + len..];
        }
        Ok(())
    }

    /// Gives the characters; borrows unless there are escapes.
    pub(crate) fn decode(self) -> Result<Cow<'a, str>, TextError> {
        if self.escaped {
            return self.unescaped().map(Cow::Owned);
        }
        std::str::from_utf8(self.raw).map(Cow::Borrowed).map_err(|_| TextError::Utf8)
    }

    fn unescaped(self) -> Result<String, TextError> {
        let mut text = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            text.push_str(std::str::from_utf8(&rest[..at]).map_err(|_| TextError::Utf8)?);
            let (character, len) = unescape(&rest[at..])?;
            text.push(character);
            rest = &rest[at + len..];
        }
        text.push_str(std::str::from_utf8(rest).map_err(|_| TextError::Utf8)?);
        Ok(text)
    }
}

/// A string has no valid characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextError {
    /// It is not UTF-8.
    Utf8,
    /// The first half of a surrogate pair stands alone.
    HalfPair,
    /// This escape is where none or the other half of a surrogate pair should be.
    Surrogate(u16),
}

/// Gives the length of the escape that comes next, if it is one.
pub(super) fn escape_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => code_unit(bytes).map(|_| 6),
        _ => None,
    }
}

/// Reads `\uXXXX`.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit: u16, &digit| {
        let value = char::from(digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

/// Reads one escape, or two that make up a surrogate pair; gives its length too.
fn unescape(bytes: &[u8]) -> Result<(char, usize), TextError> {
    let simple = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_code_units(bytes),
        Some(&other) => char::from(other),
        None => return Err(TextError::Utf8),
    };
    Ok((simple, 2))
}

fn unescape_code_units(bytes: &[u8]) -> Result<(char, usize), TextError> {
    let first = code_unit(bytes).ok_or(TextError::Utf8)?;
    if let Some(character) = char::from_u32(first.into()) {
        return Ok((character, 6));
    }
    if first >= 0xDC00 {
        return Err(TextError::Surrogate(first));
    }
    let second = code_unit(&bytes[6..]).ok_or(TextError::HalfPair)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(character)) => Ok((character, 12)),
        _ => Err(TextError::Surrogate(second)),
    }
}
