//! The keys with which an issuer signs its tokens.

mod jwk;
mod pem;

use std::borrow::Cow;
use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};

/// How many keys of a set are tried for one token. A token that does not name its key may have been signed with any of them,
/// and trying a key costs as much as verifying a token.
const MAX_TRIED_KEYS: usize = 8;

/// How many characters of the name of a key, and of why it is not used, are shown.
const MAX_SHOWN: usize = 200;

/// The shortest modulus of an RSA key, in bits (RFC 7518, section 3.3).
const MIN_RSA_BITS: usize = 2048;

/// The longest one that is supported: the time of a verification grows with the square of the length.
const MAX_RSA_BITS: usize = 8192;

/// The keys of an issuer: public keys of a JSON Web Key set or a PEM file, or a shared secret.
///
/// Keys that cannot be used, such as RSA keys of fewer than 2048 bits and keys for encryption, are skipped;
/// [`KeySet::skipped`] tells which.
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
}

/// A key and what it may verify.
struct Key {
    /// `kid`; a key without one may be that of any token.
    id: Option<Box<str>>,
    kind: KeyKind,
    /// The only algorithm that the key is for, if its issuer names one (`alg`).
    algorithm: Option<Algorithm>,
    decoding: DecodingKey,
}

#[derive(Clone, Copy)]
enum KeyKind {
    Secret { bytes: usize },
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// A key of a set that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// The id of the key, or its number in the set.
    name: String,
    reason: Cow<'static, str>,
}

/// Why a text is not used as a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// It is too long.
    #[error("it is longer than {} KiB", KeySet::MAX_BYTES / 1024)]
    TooLong,
    /// It has too many keys.
    #[error("it has {count} keys, and at most {} are supported", KeySet::MAX_KEYS)]
    TooManyKeys {
        /// How many it has.
        count: usize,
    },
    /// It is not a JSON Web Key set (RFC 7517).
    #[error("it is not a JSON object with a list \"keys\"")]
    NotJwks,
    /// It is not a PEM file with public keys.
    #[error("it is not a PEM file with blocks \"PUBLIC KEY\"")]
    NotPem,
    /// It has a private key, which should not be on this machine.
    #[error("it has a private key: only the public key is needed (openssl pkey -pubout)")]
    PrivateKey,
    /// It has a certificate.
    #[error("it has a certificate: only its public key is needed (openssl x509 -pubkey -noout)")]
    Certificate,
    /// It has no key that can be used.
    #[error("it has no key that can be used{}", list(.skipped))]
    NoUsableKey {
        /// The keys that it has.
        skipped: Vec<SkippedKey>,
    },
    /// A secret can be guessed.
    #[error("a secret needs at least {} bytes", KeySet::MIN_SECRET_BYTES)]
    ShortSecret,
}

impl KeySet {
    /// The longest text that is read.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// The largest number of keys in a set.
    const MAX_KEYS: usize = 100;

    /// The shortest secret: that of HS256. HS384 and HS512 need 48 and 64 bytes (RFC 7518, section 3.2).
    const MIN_SECRET_BYTES: usize = 32;

    /// Reads a JSON Web Key set (RFC 7517). Symmetric and private keys in it are skipped.
    ///
    /// # Errors
    /// If it is too long, has too many keys, is not such a set, or has no key that can be used.
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        check_length(json)?;
        Self::collect(jwk::read_set(json)?)
    }

    /// Reads public keys in PEM: one or more blocks `PUBLIC KEY` (RFC 5280) or `RSA PUBLIC KEY` (PKCS #1). These keys have no
    /// ids, so all of them are tried for each token.
    ///
    /// # Errors
    /// If it is too long, has too many keys, is not such a file, has private keys or certificates, or no key that can be used.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeySetError> {
        check_length(text)?;
        Self::collect(pem::read_keys(text)?)
    }

    /// Uses a secret that the issuer and the server share (HMAC).
    ///
    /// # Errors
    /// If it is shorter than 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeySetError> {
        if secret.len() < Self::MIN_SECRET_BYTES {
            return Err(KeySetError::ShortSecret);
        }
        let kind = KeyKind::Secret { bytes: secret.len() };
        let key = Key { id: None, kind, algorithm: None, decoding: DecodingKey::from_secret(secret) };
        Ok(Self { keys: vec![key], skipped: Vec::new() })
    }

    /// Makes a set without keys, which verifies no token.
    pub fn empty() -> Self {
        Self { keys: Vec::new(), skipped: Vec::new() }
    }

    /// Counts the keys that are used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys of the text that are not used.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Tells whether any key verifies tokens of this algorithm.
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.supports(algorithm))
    }

    /// Tells whether the keys are a secret that the issuer shares, not public keys.
    pub(crate) fn is_secret(&self) -> bool {
        self.keys.iter().any(|key| matches!(key.kind, KeyKind::Secret { .. }))
    }

    /// The keys that may have signed a token of this algorithm and key id, of which few are tried.
    pub(crate) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&Key| key.supports(algorithm) && key.has_id(id);
        self.keys.iter().filter(fits).map(|key| &key.decoding).take(MAX_TRIED_KEYS)
    }

    /// Tells whether there is a key of exactly this id for the algorithm.
    pub(crate) fn has_key(&self, id: &str, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id) && key.supports(algorithm))
    }

    fn collect(keys: Vec<Result<Key, SkippedKey>>) -> Result<Self, KeySetError> {
        let (mut good, mut skipped) = (Vec::new(), Vec::new());
        for key in keys {
            match key {
                Ok(key) => good.push(key),
                Err(key) => skipped.push(key),
            }
        }
        if good.is_empty() { Err(KeySetError::NoUsableKey { skipped }) } else { Ok(Self { keys: good, skipped }) }
    }
}

impl Key {
    fn supports(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|only| only == algorithm) && self.kind.supports(algorithm)
    }

    fn has_id(&self, wanted: Option<&str>) -> bool {
        match (wanted, self.id.as_deref()) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        }
    }

    /// Makes an RSA key of its modulus and exponent, in big endian.
    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<(KeyKind, DecodingKey), Cow<'static, str>> {
        let (modulus, exponent) = (trimmed(modulus), trimmed(exponent));
        let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(format!("an RSA key needs {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, and it has {bits}").into());
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] {
            return Err("it is not a valid RSA key".into());
        }
        Ok((KeyKind::Rsa, DecodingKey::from_rsa_raw_components(modulus, exponent)))
    }
}

impl KeyKind {
    fn supports(self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Secret { bytes } => match algorithm {
                HS256 => bytes >= 32,
                HS384 => bytes >= 48,
                HS512 => bytes >= 64,
                _ => false,
            },
            Self::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            Self::P256 => algorithm == ES256,
            Self::P384 => algorithm == ES384,
            Self::Ed25519 => algorithm == EdDSA,
        }
    }
}

fn check_length(text: &[u8]) -> Result<(), KeySetError> {
    if text.len() > KeySet::MAX_BYTES { Err(KeySetError::TooLong) } else { Ok(()) }
}

fn check_count(count: usize) -> Result<(), KeySetError> {
    if count > KeySet::MAX_KEYS { Err(KeySetError::TooManyKeys { count }) } else { Ok(()) }
}

/// A number without leading zeros.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn list(skipped: &[SkippedKey]) -> String {
    let texts: Vec<_> = skipped.iter().take(3).map(SkippedKey::to_string).collect();
    if texts.is_empty() { String::new() } else { format!(": {}", texts.join("; ")) }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Both repeat what the issuer has written.
        let shortened = |text: &str| text.chars().take(MAX_SHOWN).collect::<String>();
        write!(f, "the key {} is not used: {}", shortened(&self.name), shortened(&self.reason))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys.len()).field("skipped", &self.skipped).finish()
    }
}

#[cfg(test)]
mod tests;
