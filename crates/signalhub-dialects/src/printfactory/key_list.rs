//! The list of keys, and how it changes.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::mis_key::{KeyHash, MisKey};

/// How long the name of an organisation or a user may be, in bytes.
const LONGEST_NAME: usize = 256;

/// A key, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeyEntry {
    pub(super) sha256: KeyHash,
    /// The organisation whose events its owner gets, and for which it publishes.
    pub organisation: Arc<str>,
    /// Its owner.
    pub user: Arc<str>,
    /// Whether its owner may connect for notifications.
    pub notifications: Notifications,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
}

/// Whether the owner of a key gets notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notifications {
    /// The owner may connect.
    On,
    /// The owner is refused with 403. The key still publishes.
    Off,
}

/// A change of the key of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// Makes the first key of the user.
    Generate,
    /// Replaces the key of the user. The old one is not accepted any more, and its connection is closed.
    Regenerate,
    /// Removes the key of the user, and closes its connection.
    Cancel,
    /// Allows or forbids notifications. Its connection is closed when they are forbidden.
    Notifications(Notifications),
}

/// Why a key was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The user has no key.
    #[error("user \"{user}\" of organisation \"{organisation}\" has no key")]
    NoKey {
        /// The organisation.
        organisation: String,
        /// The user.
        user: String,
    },
    /// The user has a key, which would stop working.
    #[error("user \"{user}\" of organisation \"{organisation}\" has a key already: regenerate it to replace it")]
    HasKey {
        /// The organisation.
        organisation: String,
        /// The user.
        user: String,
    },
    /// A name is empty or too long.
    #[error("the names of organisation and user must have 1 to {LONGEST_NAME} bytes")]
    Name,
}

/// All keys: one for each user of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyList {
    pub(super) keys: Vec<KeyEntry>,
}

impl KeyList {
    /// All keys, sorted by organisation and user.
    pub(super) fn sorted(self) -> Vec<KeyEntry> {
        let mut keys = self.keys;
        keys.sort_by(|one, other| (&one.organisation, &one.user).cmp(&(&other.organisation, &other.user)));
        keys
    }

    /// The hashes of all keys.
    pub(super) fn hashes(&self) -> HashSet<KeyHash> {
        self.keys.iter().map(|key| key.sha256).collect()
    }

    /// Adds the keys of users who have none, and returns how many.
    pub(super) fn import(&mut self, entries: &[KeyEntry]) -> usize {
        let owner = |key: &KeyEntry| (Arc::clone(&key.organisation), Arc::clone(&key.user));
        let mut owners: HashSet<_> = self.keys.iter().map(owner).collect();
        let before = self.keys.len();
        self.keys.extend(entries.iter().filter(|key| owners.insert(owner(key))).cloned());
        self.keys.len() - before
    }

    /// Changes the key of a user, and returns the new one if there is one.
    pub(super) fn change(
        &mut self,
        organisation: &str,
        user: &str,
        change: KeyChange,
    ) -> Result<Option<MisKey>, KeyError> {
        if [organisation, user].iter().any(|name| !(1..=LONGEST_NAME).contains(&name.len())) {
            return Err(KeyError::Name);
        }
        let place = self.keys.iter().position(|key| &*key.organisation == organisation && &*key.user == user);
        let names = || (organisation.to_owned(), user.to_owned());
        match (change, place) {
            (KeyChange::Generate, Some(_)) => {
                let (organisation, user) = names();
                Err(KeyError::HasKey { organisation, user })
            }
            (KeyChange::Regenerate | KeyChange::Cancel | KeyChange::Notifications(_), None) => {
                let (organisation, user) = names();
                Err(KeyError::NoKey { organisation, user })
            }
            (KeyChange::Generate, None) => {
                let (key, organisation, user) = (MisKey::random(), organisation.into(), user.into());
                let (sha256, created) = (key.hash(), OffsetDateTime::now_utc());
                self.keys.push(KeyEntry { sha256, organisation, user, notifications: Notifications::On, created });
                Ok(Some(key))
            }
            (KeyChange::Regenerate, Some(place)) => {
                let key = MisKey::random();
                (self.keys[place].sha256, self.keys[place].created) = (key.hash(), OffsetDateTime::now_utc());
                Ok(Some(key))
            }
            (KeyChange::Cancel, Some(place)) => {
                self.keys.remove(place);
                Ok(None)
            }
            (KeyChange::Notifications(notifications), Some(place)) => {
                self.keys[place].notifications = notifications;
                Ok(None)
            }
        }
    }
}
