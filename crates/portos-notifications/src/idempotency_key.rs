//! The key by which a hub recognises that a publish is repeated.

use std::fmt;
use std::str::FromStr;

/// The most characters of a key.
const LONGEST_KEY: usize = 255;

/// Identifies one publish, so that a hub publishes it once although it gets it several times: the header `Idempotency-Key`.
///
/// A hub remembers a key for its `publish.idempotency_window`, separately for each API key or user. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes a key of the application, such as the number of an order: 1 to 255 visible ASCII characters. Double quotes and
    /// backslashes are refused, because the header may also be a quoted string.
    ///
    /// # Errors
    /// Refuses any other text.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidIdempotencyKey> {
        let key = key.into();
        let is_valid = (1..=LONGEST_KEY).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        if is_valid { Ok(Self(key)) } else { Err(InvalidIdempotencyKey) }
    }

    /// Makes a key of 128 random bits, as 32 hexadecimal digits.
    ///
    /// # Panics
    /// If the operating system gives no random bytes.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has a random number generator");
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Returns the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {LONGEST_KEY} visible ASCII characters without double quotes and backslashes")]
pub struct InvalidIdempotencyKey;

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(key: &str) -> Result<Self, InvalidIdempotencyKey> {
        Self::new(key)
    }
}

#[cfg(test)]
mod tests;
