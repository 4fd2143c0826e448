//! The secrets that the nodes of a cluster share, and the keys that are derived from them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};

/// The fewest bytes that a secret may have.
const SHORTEST: usize = 32;

/// The bytes of a message authentication code, which is cut to this length.
pub(crate) const MAC_LENGTH: usize = 16;

/// The secrets that all nodes of a cluster share: they sign connection tokens, tickets and the requests that nodes forward.
///
/// The first one signs, and all of them verify. So a secret is replaced in three steps, each at every node: add the new one
/// at the end, make it the first, remove the old one. Between the last two steps, wait until the connections whose
/// tokens the old one has signed have ended: they get no further request to another node.
///
/// Its `Debug` form hides them.
#[derive(Clone)]
pub struct ClusterSecrets(Arc<[Keys]>);

/// Secrets cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterSecretsError {
    /// There is none.
    #[error("a cluster needs a secret")]
    Missing,
    /// One has fewer than 32 bytes.
    #[error("a secret of a cluster has at least 32 bytes, and number {number} has {length}")]
    TooShort {
        /// Which one it is, counted from 1.
        number: usize,
        /// How many bytes it has.
        length: usize,
    },
}

/// The keys that come from one secret, each for one purpose.
struct Keys {
    connection_token: hmac::Key,
    forward: hmac::Key,
}

impl ClusterSecrets {
    /// Derives keys from secrets of at least 32 bytes each, which should be random.
    ///
    /// # Errors
    /// If there is no secret, or one is shorter.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Result<Self, ClusterSecretsError> {
        let mut keys = Vec::new();
        for (index, secret) in secrets.into_iter().enumerate() {
            let secret = secret.as_ref();
            if secret.len() < SHORTEST {
                return Err(ClusterSecretsError::TooShort { number: index + 1, length: secret.len() });
            }
            keys.push(Keys::derive(secret));
        }
        if keys.is_empty() { Err(ClusterSecretsError::Missing) } else { Ok(Self(keys.into())) }
    }
}

impl Keys {
    fn derive(secret: &[u8]) -> Self {
        // The secret is random, so HKDF needs no salt (RFC 5869, section 3.1).
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(secret);
        let key = |purpose: &str| {
            let purpose = [purpose.as_bytes()];
            let expanded = extracted.expand(&purpose, HMAC_SHA256).expect("the key has the length of the hash");
            hmac::Key::from(expanded)
        };
        Self { connection_token: key("connection token"), forward: key("forward") }
    }
}

impl fmt::Debug for ClusterSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_at_least_32_bytes() {
        let (short, good) = ([7; 31].as_slice(), [7; 32].as_slice());
        assert!(ClusterSecrets::new([good]).is_ok());
        assert_eq!(ClusterSecrets::new([&[]; 0]).unwrap_err(), ClusterSecretsError::Missing);
        let error = ClusterSecrets::new([good, short]).unwrap_err();
        assert_eq!(error, ClusterSecretsError::TooShort { number: 2, length: 31 });
    }

    #[test]
    fn secrets_are_not_shown() {
        let secrets = ClusterSecrets::new(["a secret that has thirty-two bytes"]).unwrap();
        assert_eq!(format!("{secrets:?}"), "ClusterSecrets(..)");
    }
}
