//! The tokens whose signatures were good a short time ago.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{self, SHA256};
use tokio::time::Instant;

use crate::auth::identity::Identity;

/// How long a token is not verified again.
const LIFETIME: Duration = Duration::from_secs(60);

/// How many tokens are kept.
const MAX_ENTRIES: usize = 10_000;

/// How many bytes of claims are kept: the claims of one token may be as long as the head of a request.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The identities of verified tokens, by the SHA-256 of the token.
///
/// Every poll and every POST of long polling carries a token, and verifying an RSA or elliptic curve signature takes most of
/// the time of such a request. A token is kept for a minute and never past its expiry. When a key is replaced, everything is
/// removed, because the replaced key may have verified it.
///
/// There are two generations. New tokens go into the young one. When it is full or a minute old, it becomes the old one, and
/// the tokens of the old one are dropped: so the table is bounded and is never searched for what is to be removed.
#[derive(Default)]
pub(super) struct VerifiedTokens(Mutex<Tokens>);

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

/// Which keys were in force when a token was verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyGeneration(u64);

#[derive(Default)]
struct Tokens {
    /// How often keys were replaced.
    key_generation: u64,
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    /// When the first token was added.
    begun: Option<Instant>,
    entries: HashMap<TokenHash, Entry>,
    bytes: usize,
}

struct Entry {
    identity: Arc<Identity>,
    verified: Instant,
    expires: SystemTime,
}

impl TokenHash {
    pub(super) fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

impl VerifiedTokens {
    /// Finds the identity of a token that was verified within the last minute and has not expired.
    pub(super) fn get(&self, token: TokenHash, now: Instant, time: SystemTime) -> Option<Identity> {
        let identity = {
            let tokens = self.lock();
            let entry = tokens.young.entries.get(&token).or_else(|| tokens.old.entries.get(&token))?;
            let is_fresh = now.saturating_duration_since(entry.verified) < LIFETIME && time < entry.expires;
            is_fresh.then(|| Arc::clone(&entry.identity))?
        };
        Some(Identity::clone(&identity))
    }

    /// Read this before the keys are read: see [`Self::insert`].
    pub(super) fn key_generation(&self) -> KeyGeneration {
        KeyGeneration(self.lock().key_generation)
    }

    /// Keeps a token that was verified just now with keys of `keys`, unless these have been replaced since.
    pub(super) fn insert(
        &self,
        keys: KeyGeneration,
        token: TokenHash,
        identity: &Identity,
        expires: SystemTime,
        now: Instant,
    ) {
        let entry = Entry { identity: Arc::new(identity.clone()), verified: now, expires };
        let bytes = size_of::<(TokenHash, Entry)>() + size_of::<Identity>() + identity.claims.text_len();
        let mut tokens = self.lock();
        if tokens.key_generation != keys.0 {
            return;
        }
        let dropped = tokens.young.is_full(bytes, now).then(|| {
            let young = mem::take(&mut tokens.young);
            mem::replace(&mut tokens.old, young)
        });
        tokens.young.begun.get_or_insert(now);
        tokens.young.bytes += bytes;
        tokens.young.entries.insert(token, entry);
        drop(tokens);
        // Thousands of entries are freed after the lock is released.
        drop(dropped);
    }

    /// Removes everything, because keys were replaced.
    pub(super) fn clear(&self) {
        let dropped = {
            let mut tokens = self.lock();
            let key_generation = tokens.key_generation + 1;
            mem::replace(&mut *tokens, Tokens { key_generation, ..Tokens::default() })
        };
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generation {
    /// Tells whether another entry must go into the next generation.
    fn is_full(&self, bytes: usize, now: Instant) -> bool {
        self.entries.len() >= MAX_ENTRIES / 2
            || self.bytes.saturating_add(bytes) > MAX_BYTES / 2
            || self.begun.is_some_and(|begun| now.saturating_duration_since(begun) >= LIFETIME)
    }
}

#[cfg(test)]
mod tests;
