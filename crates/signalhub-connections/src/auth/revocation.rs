//! Credentials that are refused although they have not expired.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::time::Instant;

use crate::auth::identity::{Identity, Principal};

/// How many revocations a server keeps: about 8 MiB.
const MAX_ENTRIES: usize = 100_000;

/// Which credentials are revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// All credentials of a user that were issued before a time, as their claim `iat` tells. Credentials without a readable
    /// `iat` are revoked too, because they may be older.
    ///
    /// `iat` is mostly a whole second: a token that is issued within the second of `before` is revoked. Its user logs in again
    /// after that second.
    User {
        /// The user.
        user: String,
        /// The organisation of the user; `None` is the user in every organisation, and without one.
        organisation: Option<String>,
        /// Not in the future.
        before: SystemTime,
    },
    /// The credentials with this id, as their claim `jti` tells, whichever issuer they have.
    Token {
        /// The id.
        id: String,
    },
}

/// Why a revocation was not accepted. Those before it stay in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// `before` is in the future: it would revoke credentials that are not issued yet.
    #[error("credentials cannot be revoked before a time in the future")]
    InTheFuture,
    /// There are 100 000 revocations already.
    #[error("there are {MAX_ENTRIES} revocations already: no other one is accepted until some of them end")]
    Full,
}

/// The revocations of a server. A full table refuses further ones: if it dropped the oldest one instead, revoked credentials
/// would be accepted again.
#[derive(Debug, Default)]
pub(crate) struct RevocationTable(RwLock<HashMap<Key, Entry>>);

/// The SHA-256 of what is revoked, so that each entry has the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Credentials that were issued before this time are revoked, in seconds since 1970.
    before: f64,
    /// When the entry ends.
    ends: Instant,
}

impl Revocation {
    /// Tells whether a connection of this user may have the credentials. Only its claims tell for sure.
    pub(crate) fn may_concern(&self, principal: &Principal) -> bool {
        match self {
            Self::Token { .. } => true,
            Self::User { user, organisation, .. } => {
                let is_there = |organisation: &String| principal.organisation.as_deref() == Some(organisation.as_str());
                principal.user.as_deref() == Some(user.as_str()) && organisation.as_ref().is_none_or(is_there)
            }
        }
    }
}

impl RevocationTable {
    /// Refuses credentials from now on, for the time `memory`.
    pub(crate) fn insert(&self, revocation: &Revocation, memory: Duration, now: Instant) -> Result<(), RevokeError> {
        let (key, before) = match revocation {
            Revocation::User { user, organisation, before } => {
                if *before > SystemTime::now() {
                    return Err(RevokeError::InTheFuture);
                }
                let before = before.duration_since(UNIX_EPOCH).unwrap_or_default();
                (Key::of_user(organisation.as_deref(), user), before.as_secs_f64())
            }
            Revocation::Token { id } => (Key::of_token(id), f64::INFINITY),
        };
        // A time that the clock cannot express never comes.
        let ends = now.checked_add(memory).unwrap_or_else(|| now + Duration::from_secs(u64::from(u32::MAX)));
        let mut entries = self.write();
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&key) {
            entries.retain(|_, entry| entry.ends > now);
            if entries.len() >= MAX_ENTRIES {
                return Err(RevokeError::Full);
            }
        }
        let entry = entries.entry(key).or_insert(Entry { before, ends });
        *entry = Entry { before: entry.before.max(before), ends: entry.ends.max(ends) };
        Ok(())
    }

    /// Tells whether credentials are revoked.
    pub(crate) fn contains(&self, identity: &Identity, now: Instant) -> bool {
        let entries = self.read();
        // Nearly always.
        if entries.is_empty() {
            return false;
        }
        let is_in_force = |key: Key| entries.get(&key).filter(|entry| entry.ends > now);
        let id = identity.claims.get::<String>("jti").ok().flatten();
        if id.is_some_and(|id| is_in_force(Key::of_token(&id)).is_some()) {
            return true;
        }
        let Some(user) = identity.user.as_deref() else { return false };
        let issued = identity.claims.get::<f64>("iat").ok().flatten();
        let own = identity.organisation.as_deref().map(|organisation| Key::of_user(Some(organisation), user));
        let keys = [Some(Key::of_user(None, user)), own];
        let mut found = keys.into_iter().flatten().filter_map(is_in_force);
        found.any(|entry| issued.is_none_or(|issued| issued < entry.before))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Key, Entry>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Key, Entry>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn of_token(id: &str) -> Self {
        Self::of("token", &[id])
    }

    fn of_user(organisation: Option<&str>, user: &str) -> Self {
        match organisation {
            None => Self::of("user", &[user]),
            Some(organisation) => Self::of("member", &[organisation, user]),
        }
    }

    /// The lengths keep texts apart that are equal when they are joined.
    fn of(kind: &str, texts: &[&str]) -> Self {
        let mut context = Context::new(&SHA256);
        for text in std::iter::once(&kind).chain(texts) {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }
}

#[cfg(test)]
mod tests;
