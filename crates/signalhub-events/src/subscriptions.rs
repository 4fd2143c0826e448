//! A subscriber and the filters it holds.

use std::fmt;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::filter::Filter;
use crate::index::Added;
use crate::name::EventName;
use crate::scope::{Grants, Scope};
use crate::shards::Shards;
use crate::subscribe_error::SubscribeError;
use crate::subscriber::{AttachedSubscriber, Subscriber};

/// Holds the subscriptions of one subscriber; dropping it ends them.
///
/// An event published after [`add`](Self::add) returned is delivered if it matches; one published after
/// [`remove`](Self::remove) returned, or after the drop, is not. A subscriber must not own its own `Subscriptions`:
/// neither would ever be dropped.
pub struct Subscriptions {
    shards: Arc<Shards>,
    catalogue: Arc<Catalogue>,
    scope: Scope,
    attached: Arc<AttachedSubscriber>,
}

impl Subscriptions {
    pub(crate) fn new(
        shards: Arc<Shards>,
        catalogue: Arc<Catalogue>,
        subscriber: impl Subscriber + 'static,
        scope: Scope,
    ) -> Self {
        shards.attach();
        let attached = Arc::new(AttachedSubscriber::new(subscriber, Some(Vec::new())));
        Self { shards, catalogue, scope, attached }
    }

    /// Adds a filter to the set; one that is there already changes nothing.
    ///
    /// # Errors
    /// Refuses what no grant of the scope overlaps, what the catalogue does not know, and everything once the subscriber
    /// has refused a delivery. Errors name only events that the grants permit.
    pub fn add(&mut self, filter: &Filter) -> Result<Added, SubscribeError> {
        self.check(filter)?;
        // Locks are always taken in this order: the ids of the attached subscriber, then an index.
        let mut ids = self.attached.lock_ids();
        let ids = ids.as_mut().ok_or(SubscribeError::Ended)?;
        let shard = self.shards.shard_of(&filter.event);
        let mut index = self.shards.lock(shard);
        let id = match ids.iter().find(|(known, _)| *known == shard) {
            Some((_, id)) => *id,
            None => {
                let id = index.insert(self.attached.clone(), &self.scope);
                ids.push((shard, id));
                id
            }
        };
        Ok(index.add(id, filter))
    }

    /// Tells whether [`add`](Self::add) would take the filter, so that a request of several can be taken as a whole.
    ///
    /// # Errors
    /// As `add`.
    pub fn check(&self, filter: &Filter) -> Result<(), SubscribeError> {
        filter.check_names()?;
        self.scope.check(filter, &self.catalogue)?;
        if self.attached.lock_ids().is_none() {
            return Err(SubscribeError::Ended);
        }
        Ok(())
    }

    /// Removes every filter of the set that this one covers, and counts them; it cuts no holes into wider ones.
    pub fn remove(&mut self, filter: &Filter) -> usize {
        let ids = self.attached.lock_ids();
        let shard = self.shards.shard_of(&filter.event);
        let id = ids.iter().flatten().find(|(known, _)| *known == shard);
        id.map_or(0, |(_, id)| self.shards.lock_of(filter).remove(*id, filter))
    }

    /// Replaces what the subscriber was granted: filters that the grants do not permit leave the set, and events that are
    /// published from now on are judged by them. What was published before is still delivered.
    ///
    /// Returns the filters that have left the set, in no order.
    pub fn set_grants(&mut self, grants: Grants) -> Vec<Filter> {
        let mut ended = Vec::new();
        // Most new credentials say the same about it.
        if *self.scope.grants() == grants {
            return ended;
        }
        let ids = self.attached.lock_ids();
        for (shard, id) in ids.iter().flatten() {
            self.shards.lock(*shard).set_grants(*id, &grants, &mut ended);
        }
        drop(ids);
        self.scope = std::mem::replace(&mut self.scope, Scope::unrestricted()).with_grants(grants);
        ended
    }

    /// Puts another subscriber in the place of the current one, with the same filters. Events that were published before may still be
    /// offered to the earlier one.
    pub fn replace_subscriber(&mut self, subscriber: impl Subscriber + 'static) {
        let mut ids = self.attached.lock_ids();
        let taken = ids.take();
        let attached: Arc<AttachedSubscriber> = Arc::new(AttachedSubscriber::new(subscriber, taken.clone()));
        for (shard, id) in taken.into_iter().flatten() {
            self.shards.lock(shard).replace(id, Arc::clone(&attached));
        }
        drop(ids);
        self.attached = attached;
    }

    /// Tells whether the set has a filter for this event.
    #[must_use]
    pub fn has_event(&self, event: &EventName) -> bool {
        let ids = self.attached.lock_ids();
        let shard = self.shards.shard_of(event);
        let id = ids.iter().flatten().find(|(known, _)| *known == shard);
        id.is_some_and(|(_, id)| self.shards.lock(shard).has_event(*id, event))
    }

    /// Lists the filters of the set, in no order.
    #[must_use]
    pub fn filters(&self) -> Vec<Filter> {
        let (ids, mut filters) = (self.attached.lock_ids(), Vec::new());
        for (shard, id) in ids.iter().flatten() {
            self.shards.lock(*shard).filters_of(*id, &mut filters);
        }
        filters
    }

    /// Counts the filters of the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.attached.lock_ids().iter().flatten().map(|(shard, id)| self.shards.lock(*shard).len_of(*id)).sum()
    }

    /// Counts the bytes of the names in the filters of the set: of each its event, and its resource if it has one.
    #[must_use]
    pub fn name_bytes(&self) -> usize {
        let ids = self.attached.lock_ids();
        ids.iter().flatten().map(|(shard, id)| self.shards.lock(*shard).name_bytes_of(*id)).sum()
    }

    /// Tells whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what the subscriber may see.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.shards.end(&self.attached);
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions").field("scope", self.scope()).field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
