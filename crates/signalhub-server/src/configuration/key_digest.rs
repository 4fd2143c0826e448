//! The SHA-256 of a key, which stands for the key in a configuration.

use std::fmt;

use aws_lc_rs::digest;

use super::setting::{Given, Setting, quoted};

/// What stands for a digest.
pub(super) const DIGEST: &str = "(digest)";

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Computes the digest of a key.
    pub(crate) fn of(key: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
        Self(bytes)
    }

    /// The digest itself.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Writes it as a configuration has it, in hexadecimal digits.
    pub(crate) fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes().as_chunks::<2>();
        let (pairs, []) = digits else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let bytes = pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok());
        bytes.collect::<Option<Vec<u8>>>()?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The digest of a weak key tells the key.
        f.write_str("(digest)")
    }
}

impl Setting for KeyDigest {
    const EXPECTED: &'static str = "a SHA-256 of 64 hexadecimal digits";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::from_hex(given.text()?)
    }

    fn written(&self) -> String {
        quoted(DIGEST)
    }
}
