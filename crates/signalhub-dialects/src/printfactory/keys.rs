//! The keys of a running server.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::key_file::{KeyFileError, MisKeyFile};
use super::key_list::{KeyChange, KeyEntry, KeyList, Notifications};
use super::mis_key::{KeyHash, MisKey};
use super::organisations::{Ending, Organisations};

/// The keys that a server accepts. Clones share them.
///
/// They are read from a file, and again by [`reload`](Self::reload). When a key is gone or its notifications are off, the
/// connection that was opened with it is closed.
#[derive(Clone)]
pub struct MisKeys(Arc<Shared>);

struct Shared {
    file: MisKeyFile,
    /// What the file contained when it was last read; `None` if it did not exist.
    seen: Mutex<Option<Vec<u8>>>,
    keys: RwLock<HashMap<KeyHash, Arc<KeyEntry>>>,
    organisations: Arc<Organisations>,
}

/// What [`MisKeys::reload`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The file is as it was.
    Unchanged,
    /// The keys were replaced.
    Replaced,
}

impl MisKeys {
    /// Reads the keys of a file. There are none if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be read or does not contain keys.
    pub fn open(file: MisKeyFile) -> Result<Self, KeyFileError> {
        let content = file.content()?;
        let list = content.as_deref().map_or_else(|| Ok(KeyList::default()), |content| file.parse(content))?;
        Ok(Self(Arc::new(Shared {
            file,
            seen: Mutex::new(content),
            keys: RwLock::new(by_hash(list)),
            organisations: Arc::default(),
        })))
    }

    /// Reads the file again, and closes the connections of keys that are gone or whose notifications are off.
    ///
    /// # Errors
    /// If the file cannot be read, does not contain keys, or does not exist any more. Then the old keys stay valid.
    pub fn reload(&self) -> Result<Reloaded, KeyFileError> {
        let Shared { file, seen, keys, .. } = &*self.0;
        // Held to the end, so that an older content never replaces a newer one.
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let content = file.content()?;
        if *seen == content {
            return Ok(Reloaded::Unchanged);
        }
        let Some(content) = content else {
            let error = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(KeyFileError::Unreadable { file: file.path().to_owned(), error });
        };
        let list = file.parse(&content)?;
        *keys.write().unwrap_or_else(PoisonError::into_inner) = by_hash(list);
        *seen = Some(content);
        self.0.organisations.end(|hash| self.ending(hash));
        Ok(Reloaded::Replaced)
    }

    /// Changes the key of one user in the file, and uses the change at once.
    ///
    /// # Errors
    /// As [`MisKeyFile::change`] and [`reload`](Self::reload).
    pub fn change(&self, organisation: &str, user: &str, change: KeyChange) -> Result<Option<MisKey>, KeyFileError> {
        let key = self.0.file.change(organisation, user, change)?;
        self.reload()?;
        Ok(key)
    }

    /// The file of the keys.
    pub fn file(&self) -> &MisKeyFile {
        &self.0.file
    }

    /// Finds the entry of a key that a client has sent.
    pub(super) fn find(&self, given: &[u8]) -> Option<Arc<KeyEntry>> {
        self.entry(&MisKey::read(given)?.hash())
    }

    fn entry(&self, hash: &KeyHash) -> Option<Arc<KeyEntry>> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    /// Why a connection of a key must end, if it must.
    pub(super) fn ending(&self, hash: &KeyHash) -> Option<Ending> {
        match self.entry(hash).map(|entry| entry.notifications) {
            Some(Notifications::On) => None,
            Some(Notifications::Off) => Some(Ending::NotificationsOff),
            None => Some(Ending::KeyGone),
        }
    }

    pub(super) fn organisations(&self) -> &Arc<Organisations> {
        &self.0.organisations
    }
}

fn by_hash(list: KeyList) -> HashMap<KeyHash, Arc<KeyEntry>> {
    list.keys.into_iter().map(|key| (key.sha256, Arc::new(key))).collect()
}

impl fmt::Debug for MisKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MisKeys").field("file", &self.0.file).finish_non_exhaustive()
    }
}
