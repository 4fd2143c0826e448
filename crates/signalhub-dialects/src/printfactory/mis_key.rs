//! A `MisKey`: the credentials of a listener or producer.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::messages::is_guid;

/// A key: a random GUID in lower case. It is shown once, when it is made; afterwards only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct MisKey(String);

impl MisKey {
    /// Makes a random key (a GUID of version 4, with 122 random bits).
    ///
    /// # Panics
    /// If the operating system gives no random bytes.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("an operating system gives random bytes, or nothing here can work");
        let number = u128::from_be_bytes(bytes) & !((0xf << 76) | (0xc << 60)) | (0x4 << 76) | (0x8 << 60);
        let hex = format!("{number:032x}");
        let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        Self(groups.join("-"))
    }

    /// Reads a key as a client sends it. Upper case is accepted, because GUIDs are compared regardless of case.
    pub(super) fn read(given: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(given).ok().map(str::trim)?;
        is_guid(text).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The text of the key, which must not be logged.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> KeyHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        KeyHash(hash)
    }
}

impl fmt::Debug for MisKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MisKey")
    }
}

/// The SHA-256 of a key. A key cannot be found by trying: it has 122 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash([u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        let digit = |index: usize| hex.as_bytes().get(index).and_then(|digit| char::from(*digit).to_digit(16));
        let byte = |index: usize| u8::try_from(digit(2 * index)? * 16 + digit(2 * index + 1)?).ok();
        let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
        match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
            Some(hash) if hex.len() == 64 => Ok(Self(hash)),
            _ => Err(D::Error::custom("expected 64 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_key_is_a_guid_of_version_4_in_lower_case() {
        let keys = [MisKey::random(), MisKey::random()];
        assert_ne!(keys[0], keys[1]);
        for key in &keys {
            let text = key.reveal();
            assert!(is_guid(text) && text.to_lowercase() == text, "{text}");
            assert_eq!(&text[14..15], "4", "{text}");
            assert!(["8", "9", "a", "b"].contains(&&text[19..20]), "{text}");
        }
    }

    #[test]
    fn a_key_is_read_regardless_of_case() {
        let key = MisKey::random();
        let upper = MisKey::read(key.reveal().to_uppercase().as_bytes()).unwrap();
        assert_eq!(upper.hash(), key.hash());
        for wrong in ["", "x", &key.reveal()[1..], &key.reveal().replace('-', "_")] {
            assert_eq!(MisKey::read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
