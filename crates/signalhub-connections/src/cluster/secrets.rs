//! The secrets that the nodes of a cluster share, and the keys that are derived from them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};

use crate::auth::ticket::TicketHash;

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

/// A message authentication code: HMAC-SHA-256, cut to its first 16 bytes (RFC 2104, section 5).
pub(crate) type Mac = [u8; MAC_LENGTH];

/// What a secret signs. Each purpose has a key of its own, so that no signature is good for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    ConnectionToken,
    TicketBinding,
    Forward,
}

/// The keys that come from one secret, each for one purpose.
struct Keys {
    connection_token: hmac::Key,
    ticket_binding: hmac::Key,
    forward: hmac::Key,
    ticket: LessSafeKey,
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

    /// Signs a message with the first secret.
    pub(super) fn sign(&self, purpose: Purpose, message: &SignedMessage) -> Mac {
        self.0[0].mac(purpose, message)
    }

    /// What shows that the connection with these random bytes was negotiated with a ticket. The first binding is the one to
    /// write, and all of them count.
    pub(super) fn ticket_bindings(&self, random: &[u8], ticket: TicketHash) -> impl Iterator<Item = [u8; 8]> {
        let message = SignedMessage::default().with(random).with(&ticket.key());
        self.0.iter().map(move |keys| {
            let mut binding = [0; 8];
            binding.copy_from_slice(&keys.mac(Purpose::TicketBinding, &message)[..8]);
            binding
        })
    }

    /// Tells whether one of the secrets has signed a message. It takes the same time wherever the codes differ.
    pub(super) fn verify(&self, purpose: Purpose, message: &SignedMessage, mac: &Mac) -> bool {
        self.0.iter().any(|keys| verify_slices_are_equal(&keys.mac(purpose, message), mac).is_ok())
    }
}

impl ClusterSecrets {
    /// Encrypts a ticket with the first secret. The result begins with the nonce.
    pub(super) fn seal(&self, mut content: Vec<u8>) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("the operating system has a random number generator");
        let sealed =
            self.0[0].ticket.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut content);
        sealed.expect("a ticket is not as long as gigabytes");
        [&nonce[..], &content].concat()
    }

    /// Decrypts a ticket. `None` if none of the secrets has encrypted it.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, content) = sealed.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().find_map(|keys| {
            let mut content = content.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = keys.ticket.open_in_place(nonce, Aad::empty(), &mut content).ok()?.len();
            content.truncate(length);
            Some(content)
        })
    }
}

/// A message that is signed: several parts, each with its length in front, so that no two lists of parts are the same
/// message.
#[derive(Debug, Default)]
pub(super) struct SignedMessage(Vec<u8>);

impl SignedMessage {
    /// Adds a part.
    pub(super) fn with(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
        self
    }

    /// Adds a part that may be missing, which is not the same as an empty one.
    pub(super) fn with_optional(self, part: Option<&str>) -> Self {
        match part {
            None => self.with(b"-"),
            Some(part) => self.with(b"+").with(part.as_bytes()),
        }
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
        let ticket = extracted.expand(&[b"ticket"], &AES_256_GCM_SIV).expect("the key has the length of the cipher's");
        Self {
            connection_token: key("connection token"),
            ticket_binding: key("ticket binding"),
            forward: key("forward"),
            ticket: LessSafeKey::new(UnboundKey::from(ticket)),
        }
    }

    fn mac(&self, purpose: Purpose, message: &SignedMessage) -> Mac {
        let key = match purpose {
            Purpose::ConnectionToken => &self.connection_token,
            Purpose::TicketBinding => &self.ticket_binding,
            Purpose::Forward => &self.forward,
        };
        let tag = hmac::sign(key, &message.0);
        let mut mac = [0; MAC_LENGTH];
        mac.copy_from_slice(&tag.as_ref()[..MAC_LENGTH]);
        mac
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
    fn the_first_secret_signs_and_all_of_them_verify() {
        let (old, new) = ([1; 32], [2; 32]);
        let message = || SignedMessage::default().with(b"message");
        let signed_by_old = ClusterSecrets::new([old]).unwrap().sign(Purpose::Forward, &message());
        let signed_by_new = ClusterSecrets::new([new, old]).unwrap().sign(Purpose::Forward, &message());
        let (both, only_new) = (ClusterSecrets::new([old, new]).unwrap(), ClusterSecrets::new([new]).unwrap());
        for (secrets, mac, expected) in [
            (&both, signed_by_old, true),
            (&both, signed_by_new, true),
            (&only_new, signed_by_new, true),
            (&only_new, signed_by_old, false),
        ] {
            assert_eq!(secrets.verify(Purpose::Forward, &message(), &mac), expected);
            assert!(!secrets.verify(Purpose::ConnectionToken, &message(), &mac), "another purpose");
        }
    }

    #[test]
    fn parts_of_a_message_cannot_be_shifted() {
        let mac = |message: SignedMessage| ClusterSecrets::new([[7; 32]]).unwrap().sign(Purpose::Forward, &message);
        let message = SignedMessage::default;
        assert_ne!(mac(message().with(b"ab").with(b"c")), mac(message().with(b"a").with(b"bc")));
        assert_ne!(mac(message().with_optional(None)), mac(message().with_optional(Some(""))));
        let (one, other) = (message().with_optional(Some("a")).with_optional(None), message().with_optional(None));
        assert_ne!(mac(one), mac(other.with_optional(Some("a"))));
    }

    #[test]
    fn secrets_are_not_shown() {
        let secrets = ClusterSecrets::new(["a secret that has thirty-two bytes"]).unwrap();
        assert_eq!(format!("{secrets:?}"), "ClusterSecrets(..)");
    }
}
