//! The keys of a running server.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::key_file::{KeyFileError, MisKeyFile};
use super::key_list::{KeyChange, KeyEntry, KeyError, KeyList, Notifications};
use super::mis_key::{KeyHash, MisKey};
use super::organisations::{Ending, Organisations};
use super::shared_keys::{KeyStore, KeyStoreError, SharedKeys};

/// How often the store of a cluster is asked for changed keys.
const INTERVAL: Duration = Duration::from_secs(1);

/// The keys that a server accepts. Clones share them.
///
/// They are read from a file, and again by [`reload`](Self::reload); or from a store that all nodes of a cluster share, every second. When a key is
/// gone or its notifications are off, the connection that was opened with it is closed.
#[derive(Clone)]
pub struct MisKeys(Arc<Shared>);

struct Shared {
    source: Source,
    keys: RwLock<HashMap<KeyHash, Arc<KeyEntry>>>,
    organisations: Arc<Organisations>,
}

/// Where the keys are kept.
enum Source {
    /// In a file, with what it contained when it was last read; `None` if it did not exist.
    File(MisKeyFile, Mutex<Option<Vec<u8>>>),
    /// In a store that all nodes of a cluster share.
    Store(SharedKeys),
}

/// What [`MisKeys::reload`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The file is as it was.
    Unchanged,
    /// The keys were replaced.
    Replaced,
}

/// Why the keys of a running server cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Their file cannot be read or replaced.
    #[error(transparent)]
    File(KeyFileError),
    /// Their store cannot be read or written.
    #[error(transparent)]
    Store(KeyStoreError),
    /// The change is not possible.
    #[error(transparent)]
    Key(KeyError),
}

impl From<KeyFileError> for KeysError {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::Key(error) => Self::Key(error),
            error => Self::File(error),
        }
    }
}

impl From<KeyStoreError> for KeysError {
    fn from(error: KeyStoreError) -> Self {
        match error {
            KeyStoreError::Key(error) => Self::Key(error),
            error => Self::Store(error),
        }
    }
}

impl MisKeys {
    /// Reads the keys of a file. There are none if it does not exist.
    ///
    /// # Errors
    /// If the file cannot be read or does not contain keys.
    pub fn open(file: MisKeyFile) -> Result<Self, KeyFileError> {
        let content = file.content()?;
        let list = content.as_deref().map_or_else(|| Ok(KeyList::default()), |content| file.parse(content))?;
        let keys = Self::new(Source::File(file, Mutex::new(content)));
        keys.accept(list);
        Ok(keys)
    }

    /// Reads the keys that all nodes of a cluster share, and again every second. Must be called in a runtime.
    ///
    /// While the store cannot be asked, or its value does not contain keys, the old keys stay valid. When it has lost its latest changes or
    /// all of them, they are written again.
    ///
    /// # Errors
    /// If the store cannot be asked, or its value does not contain keys.
    pub async fn open_shared(store: Arc<dyn KeyStore>) -> Result<Self, KeyStoreError> {
        let keys = Self::new(Source::Store(SharedKeys::new(store)));
        keys.refresh().await?;
        tokio::spawn(watch(Arc::downgrade(&keys.0)));
        Ok(keys)
    }

    fn new(source: Source) -> Self {
        Self(Arc::new(Shared { source, keys: RwLock::default(), organisations: Arc::default() }))
    }

    /// Reads the file again, and closes the connections of keys that are gone or whose notifications are off. Keys in a store are read
    /// again without it.
    ///
    /// # Errors
    /// If the file cannot be read, does not contain keys, or does not exist any more. Then the old keys stay valid.
    pub fn reload(&self) -> Result<Reloaded, KeyFileError> {
        let Source::File(file, seen) = &self.0.source else { return Ok(Reloaded::Unchanged) };
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
        *seen = Some(content);
        self.accept(list);
        Ok(Reloaded::Replaced)
    }

    /// Changes the key of one user, and uses the change at once. Other nodes of a cluster use it within about a second.
    ///
    /// # Errors
    /// If the change is not possible, or the keys cannot be read or replaced. A store may have been changed all the same when it has not answered.
    pub async fn change(&self, organisation: &str, user: &str, change: KeyChange) -> Result<Option<MisKey>, KeysError> {
        let (organisation, user) = (organisation.to_owned(), user.to_owned());
        self.update(move |list| list.change(&organisation, &user, change)).await
    }

    /// Adds keys, such as those of a [file](MisKeyFile::list), and returns how many. Users who have a key keep it.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn import(&self, entries: Vec<KeyEntry>) -> Result<usize, KeysError> {
        self.update(move |list| Ok(list.import(&entries))).await
    }

    /// Reads all keys, sorted by organisation and user.
    ///
    /// # Errors
    /// If the keys cannot be read.
    pub async fn list(&self) -> Result<Vec<KeyEntry>, KeysError> {
        match &self.0.source {
            Source::File(file, _) => {
                let reading = file.clone();
                Ok(blocking(file, move || reading.list()).await?)
            }
            Source::Store(_) => {
                self.refresh().await?;
                let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
                let keys = keys.values().map(|entry| KeyEntry::clone(entry)).collect();
                Ok(KeyList { keys }.sorted())
            }
        }
    }

    async fn update<T: Send + 'static>(
        &self,
        change: impl Fn(&mut KeyList) -> Result<T, KeyError> + Send + Sync + 'static,
    ) -> Result<T, KeysError> {
        match &self.0.source {
            Source::File(file, _) => {
                let (keys, changing) = (self.clone(), file.clone());
                let act = move || {
                    let changed = changing.update(change)?;
                    keys.reload()?;
                    Ok(changed)
                };
                Ok(blocking(file, act).await?)
            }
            Source::Store(shared) => Ok(shared.update(change, |list| self.accept(list)).await?),
        }
    }

    /// Reads the keys of a store if they have changed.
    async fn refresh(&self) -> Result<(), KeyStoreError> {
        match &self.0.source {
            Source::Store(shared) => shared.refresh(|list| self.accept(list)).await,
            Source::File(..) => Ok(()),
        }
    }

    /// Replaces the keys, and closes the connections of those that are gone or whose notifications are off.
    fn accept(&self, list: KeyList) {
        let keys = list.keys.into_iter().map(|key| (key.sha256, Arc::new(key))).collect();
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        self.0.organisations.end(|hash| self.ending(hash));
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

/// Reads or writes the file without holding up other tasks.
async fn blocking<T: Send + 'static>(
    file: &MisKeyFile,
    act: impl FnOnce() -> Result<T, KeyFileError> + Send + 'static,
) -> Result<T, KeyFileError> {
    let failed = |error| KeyFileError::Unreadable { file: file.path().to_owned(), error: std::io::Error::other(error) };
    tokio::task::spawn_blocking(act).await.map_err(failed)?
}

/// Reads the keys of a store every second, until the server has ended.
async fn watch(shared: Weak<Shared>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        ticks.tick().await;
        let Some(keys) = Weak::upgrade(&shared).map(MisKeys) else { return };
        let failed = keys.refresh().await.err();
        if let Some(error) = failed.as_ref().filter(|_| !is_failing) {
            tracing::warn!(%error, "the MisKeys of the cluster cannot be read; the old ones are kept");
        }
        is_failing = failed.is_some();
    }
}

impl fmt::Debug for MisKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source: &dyn fmt::Debug = match &self.0.source {
            Source::File(file, _) => file,
            Source::Store(_) => &"shared",
        };
        f.debug_struct("MisKeys").field("source", source).finish_non_exhaustive()
    }
}
