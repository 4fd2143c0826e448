//! A subscriber and the filters it holds.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::index::SlotId;
use crate::shards::Shards;
use crate::{Catalogue, CatalogueError, Deliveries, Delivery, Filter, Grants, NameError, Scope};

/// Takes deliveries.
pub trait Subscriber: Send + Sync {
    /// Takes one delivery, or refuses it, at once: whoever waits here delays every other subscriber.
    ///
    /// It is called from the broker's tasks, for the events of one name in the order of their positions.
    fn offer(&self, delivery: &Delivery) -> Offered;

    /// Fetches what an offer will need into the cache. It is called for a few subscribers in a row, a moment before they are
    /// offered something, so that the processor waits for the memory of all of them at once. Doing nothing is right, too.
    fn prefetch(&self) {}

    /// Takes several deliveries that came at once, in their order; or refuses what is left of them.
    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        let mut each = deliveries.each().iter();
        if each.all(|delivery| self.offer(delivery) == Offered::Accepted) {
            Offered::Accepted
        } else {
            Offered::Refused
        }
    }
}

/// Others may share a subscriber.
impl<S: Subscriber + ?Sized> Subscriber for Arc<S> {
    fn offer(&self, delivery: &Delivery) -> Offered {
        S::offer(self, delivery)
    }

    fn prefetch(&self) {
        S::prefetch(self);
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        S::offer_all(self, deliveries)
    }
}

/// Says what became of an offered delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offered {
    /// It was taken.
    Accepted,
    /// It could not be taken; all subscriptions of the subscriber end.
    Refused,
}

/// Says what adding a filter changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Added {
    /// The filter is new.
    New,
    /// The subscriber had it already.
    AlreadyThere,
}

/// Holds the subscriptions of one subscriber; dropping it ends them.
///
/// An event published after [`add`](Self::add) returned is delivered if it matches; one published after
/// [`remove`](Self::remove) returned, or after the drop, is not. A subscriber must not own its own `Subscriptions`:
/// neither would ever be dropped.
pub struct Subscriptions {
    shards: Arc<Shards>,
    catalogue: Arc<Catalogue>,
    scope: Scope,
    member: Arc<Member>,
}

impl Subscriptions {
    pub(crate) fn new(
        shards: Arc<Shards>,
        catalogue: Arc<Catalogue>,
        subscriber: impl Subscriber + 'static,
        scope: Scope,
    ) -> Self {
        shards.attach();
        let member = Arc::new(Member::new(subscriber));
        Self { shards, catalogue, scope, member }
    }

    /// Adds a filter to the set; one that is there already changes nothing.
    ///
    /// # Errors
    /// Refuses what no grant of the scope overlaps, what the catalogue does not know, and everything once the subscriber
    /// has refused a delivery. Errors name only events that the grants permit.
    pub fn add(&mut self, filter: &Filter) -> Result<Added, SubscribeError> {
        self.check(filter)?;
        // Locks are always taken in this order: the member's slots, then an index.
        let mut slots = self.member.lock_slots();
        let slots = slots.as_mut().ok_or(SubscribeError::Ended)?;
        let shard = self.shards.shard_of(&filter.event);
        let mut index = self.shards.lock(shard);
        let slot = match slots.iter().find(|(known, _)| *known == shard) {
            Some((_, slot)) => *slot,
            None => {
                let slot = index.insert(self.member.clone(), &self.scope);
                slots.push((shard, slot));
                slot
            }
        };
        Ok(index.add(slot, filter))
    }

    /// Tells whether [`add`](Self::add) would take the filter, so that a request of several can be taken as a whole.
    ///
    /// # Errors
    /// As `add`.
    pub fn check(&self, filter: &Filter) -> Result<(), SubscribeError> {
        filter.check_names()?;
        self.scope.check(filter, &self.catalogue)?;
        if self.member.lock_slots().is_none() {
            return Err(SubscribeError::Ended);
        }
        Ok(())
    }

    /// Removes every filter of the set that this one covers, and counts them; it cuts no holes into wider ones.
    pub fn remove(&mut self, filter: &Filter) -> usize {
        let slots = self.member.lock_slots();
        let shard = self.shards.shard_of(&filter.event);
        let slot = slots.iter().flatten().find(|(known, _)| *known == shard);
        slot.map_or(0, |(_, slot)| self.shards.lock_of(filter).remove(*slot, filter))
    }

    /// Replaces what the subscriber was granted: filters that the grants do not permit leave the set, and events that are
    /// published from now on are judged by them. What was published before is still delivered.
    pub fn set_grants(&mut self, grants: Grants) {
        // Most new credentials say the same about it.
        if *self.scope.grants() == grants {
            return;
        }
        let slots = self.member.lock_slots();
        for (shard, slot) in slots.iter().flatten() {
            self.shards.lock(*shard).set_grants(*slot, &grants);
        }
        drop(slots);
        self.scope = std::mem::replace(&mut self.scope, Scope::unrestricted()).with_grants(grants);
    }

    /// Counts the filters of the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.member.lock_slots().iter().flatten().map(|(shard, slot)| self.shards.lock(*shard).len_of(*slot)).sum()
    }

    /// Counts the bytes of the names in the filters of the set: of each its event, and its resource if it has one.
    #[must_use]
    pub fn name_bytes(&self) -> usize {
        let slots = self.member.lock_slots();
        slots.iter().flatten().map(|(shard, slot)| self.shards.lock(*shard).name_bytes_of(*slot)).sum()
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
        self.shards.end(&self.member);
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions").field("scope", self.scope()).field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Tells why a filter was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The event does not exist, or has no resources.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A name is too long.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No grant overlaps the filter.
    #[error("{}", missing_grant(.0))]
    NotGranted(Filter),
    /// The subscriber has refused a delivery, which ended its subscriptions.
    #[error("the subscriber has refused a delivery and takes no more")]
    Ended,
}

fn missing_grant(filter: &Filter) -> String {
    let resource = filter.resource.as_ref().map(|resource| format!(", resource \"{resource}\"")).unwrap_or_default();
    let action = filter.action.map(|action| format!(", action \"{action}\"")).unwrap_or_default();
    format!("missing grant for event \"{}\"{resource}{action}", filter.event)
}

/// Holds what all indexes share about one subscriber.
pub(crate) struct Member<S: ?Sized = dyn Subscriber> {
    /// Its slots, by shard. Whoever takes them ends them: the drop of `Subscriptions` or a refusal, whichever comes first.
    slots: Mutex<Option<Vec<(usize, SlotId)>>>,
    /// In place, because a fan-out finds nothing of it in the cache: what it need not look up it need not wait for.
    subscriber: S,
}

impl<S: Subscriber> Member<S> {
    /// Creates a member without slots.
    pub(crate) fn new(subscriber: S) -> Self {
        Self { slots: Mutex::new(Some(Vec::new())), subscriber }
    }
}

impl Member {
    /// Fetches what an offer will need into the cache.
    pub(crate) fn prefetch(&self) {
        self.subscriber.prefetch();
    }

    /// Offers it a delivery.
    pub(crate) fn offer(&self, delivery: &Delivery) -> Offered {
        self.subscriber.offer(delivery)
    }

    /// Offers it several deliveries.
    pub(crate) fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        self.subscriber.offer_all(deliveries)
    }

    /// Takes its slots, which ends it; only the first caller gets them.
    pub(crate) fn take_slots(&self) -> Option<Vec<(usize, SlotId)>> {
        self.lock_slots().take()
    }

    fn lock_slots(&self) -> MutexGuard<'_, Option<Vec<(usize, SlotId)>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Member")
    }
}

#[cfg(test)]
mod tests;
