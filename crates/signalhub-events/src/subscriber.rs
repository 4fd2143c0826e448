//! What takes deliveries, and what all indexes share about it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::delivery::{Deliveries, Delivery};

/// Takes deliveries.
pub trait Subscriber: Send + Sync {
    /// Takes one delivery, or refuses it. It must not wait: every other subscriber would wait as well.
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

/// The result of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offered {
    /// It was taken.
    Accepted,
    /// It could not be taken; all subscriptions of the subscriber end.
    Refused,
}

/// Identifies a subscriber within one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubscriberId(pub(crate) u32);

impl SubscriberId {
    /// Its number, for tables by id: small, and given again to others once the subscriber is gone.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
}

/// Holds what all indexes share about one subscriber.
pub(crate) struct Member<S: ?Sized = dyn Subscriber> {
    /// Its ids, by shard. They are taken when its subscriptions end: by the drop of `Subscriptions` or by a refusal, whichever comes
    /// first.
    ids: Mutex<Option<Vec<(usize, SubscriberId)>>>,
    /// In place, because a fan-out finds nothing of it in the cache: what it need not look up it need not wait for.
    subscriber: S,
}

impl<S: Subscriber> Member<S> {
    /// Creates a member without ids.
    pub(crate) fn new(subscriber: S) -> Self {
        Self { ids: Mutex::new(Some(Vec::new())), subscriber }
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

    /// Takes its ids, which ends it; only the first caller gets them.
    pub(crate) fn take_ids(&self) -> Option<Vec<(usize, SubscriberId)>> {
        self.lock_ids().take()
    }

    pub(crate) fn lock_ids(&self) -> MutexGuard<'_, Option<Vec<(usize, SubscriberId)>>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Member")
    }
}
