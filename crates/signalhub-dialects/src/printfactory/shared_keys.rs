//! The keys of a cluster: one value in a store that all nodes share, replaced as a whole.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use signalhub_connections::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::key_list::{KeyError, KeyList};
use super::mis_key::KeyHash;

/// How long the value may be: some 80 000 keys.
const LONGEST_VALUE: usize = 16 * 1024 * 1024;

/// How long a version may be, in bytes.
const LONGEST_VERSION: usize = 64;

/// The format of the value, the first word of its version.
const FORMAT: &str = "1";

/// For how long a key that was removed does not come back, except by a change at this node. A store loses changes of a shorter time when
/// another server takes its place.
const REMOVED_TIME: Duration = Duration::from_secs(60);

/// How many keys that were removed are remembered.
const MOST_REMOVED: usize = 10_000;

/// How often a change is tried again because another one came first.
const MOST_TRIES: usize = 100;

/// The keys in a store that all nodes of a cluster share: one value. Its first line, of at most 64 bytes, is its *version*; no two
/// values have the same. A store without keys has the empty value, whose version is empty.
///
/// All methods must answer within about a second, with [`KeyStoreError::Unavailable`] if the store does not.
pub trait KeyStore: fmt::Debug + Send + Sync + 'static {
    /// Reads the value, unless this is its version: then `None`.
    ///
    /// # Errors
    /// When the store cannot be asked now.
    fn read(&self, known: String) -> BoxFuture<Result<Option<Vec<u8>>, KeyStoreError>>;

    /// Replaces the value, if this is its version. No other change may come between the comparison and the replacement.
    ///
    /// # Errors
    /// When the store cannot be asked now. The value may have been replaced then.
    fn replace(&self, expected: String, value: Vec<u8>) -> BoxFuture<Result<Replacement, KeyStoreError>>;
}

/// The outcome of [`KeyStore::replace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// The value was replaced.
    Done,
    /// The value has another version.
    Outdated,
}

/// Why the keys in a store cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The store cannot be asked now, or has not answered. A change may have been made.
    #[error("the keys of PrintFactory are not available: {0}")]
    Unavailable(String),
    /// The value in the store does not contain keys.
    #[error("the shared keys of PrintFactory cannot be read: {0}")]
    Malformed(String),
    /// There are too many keys.
    #[error("there are too many keys of PrintFactory: they have more than {LONGEST_VALUE} bytes")]
    TooLong,
    /// Other changes came first, again and again.
    #[error("the keys of PrintFactory are changed by others all the time")]
    Busy,
    /// The change is not possible.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a node knows of the keys in the store.
#[derive(Debug)]
pub(super) struct SharedKeys {
    store: Arc<dyn KeyStore>,
    seen: Mutex<Seen>,
}

/// A value that was read or written. Each change has a higher number.
#[derive(Clone, Debug, Default)]
struct Seen {
    number: u64,
    version: String,
    value: Vec<u8>,
    /// The keys that were removed not long ago, and when this node saw it.
    removed: VecDeque<(KeyHash, Instant)>,
}

impl SharedKeys {
    pub(super) fn new(store: Arc<dyn KeyStore>) -> Self {
        Self { store, seen: Mutex::default() }
    }

    /// Reads the keys, and gives them to `accept` if they have changed.
    ///
    /// A store that has lost its latest changes or all of them, such as one that came back from an older copy, is given them again. If
    /// other changes were made after that, they stay, but keys that were removed in the last minute are removed again: a key that was
    /// cancelled stays cancelled.
    pub(super) async fn refresh(&self, accept: impl FnOnce(KeyList)) -> Result<(), KeyStoreError> {
        let mut seen = self.seen.lock().await;
        let Some(value) = self.store.read(seen.version.clone()).await? else { return Ok(()) };
        let mut found = Seen::read(value)?;
        if found.number < seen.number {
            if self.store.replace(found.version, seen.value.clone()).await? == Replacement::Done {
                tracing::warn!("the store of the cluster had lost keys of PrintFactory, which were written again");
            }
            return Ok(());
        }
        let mut list = found.list()?;
        let now = Instant::now();
        if found.number == seen.number && found.number > 0 {
            tracing::warn!(
                "the store of the cluster had lost the last change of the keys of PrintFactory, and has another one"
            );
        }
        found.removed = seen.removed_until(&found, &list, now)?;
        let came_back: HashSet<_> = found.removed.iter().map(|(key, _)| *key).collect();
        let before = list.keys.len();
        list.keys.retain(|key| !came_back.contains(&key.sha256));
        if list.keys.len() < before {
            let mut new = Seen::write(found.number + 1, &list)?;
            if self.store.replace(found.version.clone(), new.value.clone()).await? == Replacement::Outdated {
                return Ok(());
            }
            let keys = before - list.keys.len();
            tracing::warn!(
                keys,
                "keys of PrintFactory that had been removed were in the store again, and were removed again"
            );
            new.removed = found.removed;
            found = new;
        }
        accept(list);
        *seen = found;
        Ok(())
    }

    /// Changes the keys, and gives all of them to `accept`. If another change comes first, `change` is called again with the keys as
    /// they are after it.
    pub(super) async fn update<T>(
        &self,
        change: impl Fn(&mut KeyList) -> Result<T, KeyError>,
        accept: impl Fn(KeyList),
    ) -> Result<T, KeyStoreError> {
        for _ in 0..MOST_TRIES {
            self.refresh(&accept).await?;
            let mut seen = self.seen.lock().await;
            let mut list = seen.list()?;
            let changed = change(&mut list)?;
            let mut new = Seen::write(seen.number + 1, &list)?;
            new.removed = seen.removed_until(&new, &list, Instant::now())?;
            // This change may bring a key back on purpose.
            let kept = list.hashes();
            new.removed.retain(|(key, _)| !kept.contains(key));
            if self.store.replace(seen.version.clone(), new.value.clone()).await? == Replacement::Done {
                *seen = new;
                accept(list);
                return Ok(changed);
            }
        }
        Err(KeyStoreError::Busy)
    }
}

impl Seen {
    fn read(value: Vec<u8>) -> Result<Self, KeyStoreError> {
        if value.is_empty() {
            return Ok(Self::default());
        }
        let malformed = || KeyStoreError::Malformed("its first line is no version".to_owned());
        let line = value.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let version = std::str::from_utf8(line).map_err(|_| malformed())?.to_owned();
        if version.len() > LONGEST_VERSION {
            return Err(malformed());
        }
        let mut words = version.split(' ');
        let number = words.next().filter(|format| *format == FORMAT).and_then(|_| words.next()?.parse().ok());
        Ok(Self { number: number.ok_or_else(malformed)?, version, value, removed: VecDeque::new() })
    }

    fn write(number: u64, list: &KeyList) -> Result<Self, KeyStoreError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).expect("an operating system gives random bytes, or nothing here can work");
        let version = format!("{FORMAT} {number} {:016x}", u64::from_ne_bytes(random));
        let mut value = format!("{version}\n").into_bytes();
        serde_json::to_writer(&mut value, list).expect("texts and times always serialise");
        match value.len() > LONGEST_VALUE {
            true => Err(KeyStoreError::TooLong),
            false => Ok(Self { number, version, value, removed: VecDeque::new() }),
        }
    }

    /// The keys that were removed in the last minute, once `next` has come with this list.
    fn removed_until(
        &self,
        next: &Self,
        list: &KeyList,
        now: Instant,
    ) -> Result<VecDeque<(KeyHash, Instant)>, KeyStoreError> {
        let recent = self.removed.iter().filter(|(_, since)| now.duration_since(*since) < REMOVED_TIME);
        let mut removed: VecDeque<_> = recent.copied().collect();
        // A value in the place of this one has not removed what it lacks.
        if next.number > self.number {
            let kept = list.hashes();
            removed
                .extend(self.list()?.keys.iter().map(|key| (key.sha256, now)).filter(|(key, _)| !kept.contains(key)));
        }
        removed.drain(..removed.len().saturating_sub(MOST_REMOVED));
        Ok(removed)
    }

    fn list(&self) -> Result<KeyList, KeyStoreError> {
        if self.value.is_empty() {
            return Ok(KeyList::default());
        }
        let json = self.value.get(self.version.len() + 1..).unwrap_or_default();
        serde_json::from_slice(json)
            .map_err(|error| KeyStoreError::Malformed(format!("line {}, column {}", error.line() + 1, error.column())))
    }
}
