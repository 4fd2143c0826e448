//! The indexes of all shards.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::filter::Filter;
use crate::index::Index;
use crate::name::EventName;
use crate::subscriber::AttachedSubscriber;

/// Holds one index per shard of event names. Its locks are short and never held across an await.
#[derive(Debug)]
pub(crate) struct Shards {
    indexes: Vec<Mutex<Index>>,
    hasher: RandomState,
    attached: AtomicUsize,
}

impl Shards {
    /// Creates the given number of empty indexes.
    pub(crate) fn new(count: usize) -> Self {
        let indexes = (0..count).map(|_| Mutex::default()).collect();
        Self { indexes, hasher: RandomState::new(), attached: AtomicUsize::new(0) }
    }

    /// Returns the number of shards.
    pub(crate) fn count(&self) -> usize {
        self.indexes.len()
    }

    /// Returns the shard of the events of this name.
    pub(crate) fn shard_of(&self, event: &EventName) -> usize {
        let count = self.indexes.len() as u64;
        usize::try_from(self.hasher.hash_one(event) % count).expect("a remainder is less than the count of a vector")
    }

    /// Locks the index of a shard.
    pub(crate) fn lock(&self, shard: usize) -> MutexGuard<'_, Index> {
        self.indexes[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the index that a filter belongs to.
    pub(crate) fn lock_of(&self, filter: &Filter) -> MutexGuard<'_, Index> {
        self.lock(self.shard_of(&filter.event))
    }

    /// Adds a subscriber to the count.
    pub(crate) fn attach(&self) {
        self.attached.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the subscriptions of a subscriber; ending them twice does nothing.
    pub(crate) fn end(&self, attached: &AttachedSubscriber) {
        let Some(ids) = attached.take_ids() else { return };
        for (shard, id) in ids {
            self.lock(shard).evict(id);
        }
        self.attached.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts the subscribers.
    pub(crate) fn subscriber_count(&self) -> usize {
        self.attached.load(Ordering::Relaxed)
    }

    /// Counts the subscriptions of all subscribers.
    pub(crate) fn subscription_count(&self) -> usize {
        (0..self.indexes.len()).map(|shard| self.lock(shard).len()).sum()
    }
}
