//! What takes deliveries, and what all indexes share about it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::delivery::{Deliveries, Delivery};
use crate::log::Missed;

/// Takes deliveries.
pub trait Subscriber: Send + Sync {
    /// Takes one delivery, or refuses it. It must not block: every other subscriber would wait.
    ///
    /// It is called from the broker's tasks, for the events of one name in the order of their positions.
    fn offer(&self, delivery: &Delivery) -> Offered;

    /// Fetches what an offer will need into the cache. It is called for a few subscribers in a row, a moment before they are
    /// offered something, so that the processor waits for the memory of all of them at once. An implementation may do nothing.
    fn prefetch(&self) {}

    /// Takes several deliveries that came at once, in their order, or refuses the rest of them.
    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        let mut all = Offered::Accepted;
        for delivery in deliveries.each() {
            match self.offer(delivery) {
                Offered::Accepted => {}
                Offered::Queued => all = Offered::Queued,
                Offered::Refused => return Offered::Refused,
            }
        }
        all
    }

    /// Learns that it will not get some events of a name, because the broker has missed them. It was offered all that came before the gap, and
    /// none of those that follow. It must not block.
    ///
    /// The default tells nothing to a client.
    fn missed(&self, missed: &Missed) -> Told {
        let _ = missed;
        Told::No
    }

    /// Returns what waits until everything that the subscriber was offered before this call is written to its client, or until
    /// the client is gone. It is called only for publishers that wait for that, from their tasks, and must not block.
    ///
    /// `None`, the default, is for subscribers that have no client: what they accept counts as written.
    fn flushed(&self) -> Option<Flushing> {
        None
    }

    /// Returns who its client is, for operators who look into the broker. It must not block.
    ///
    /// `None`, the default, is for subscribers that have no client.
    fn client(&self) -> Option<ClientName> {
        None
    }
}

/// Who the client of a subscriber is, as operators may see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientName {
    /// The public id of its connection.
    pub connection: Arc<str>,
    /// Its user, if it is known.
    pub user: Option<Arc<str>>,
}

/// Completes when what a subscriber was offered is written to its client; see [`Subscriber::flushed`].
pub type Flushing = Pin<Box<dyn Future<Output = Flushed> + Send>>;

/// What became of the events that a subscriber was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flushed {
    /// They are written: the operating system has taken them, or a request of the client has.
    Written,
    /// The client was gone before they were written.
    Ended,
}

// The attribute fails the gate if a method with a default body is not forwarded.
#[deny(clippy::missing_trait_methods)]
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

    fn missed(&self, missed: &Missed) -> Told {
        S::missed(self, missed)
    }

    fn flushed(&self) -> Option<Flushing> {
        S::flushed(self)
    }

    fn client(&self) -> Option<ClientName> {
        S::client(self)
    }
}

/// Whether a client was told that it will not get some events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// It was, or it is about to find out because its connection ends.
    Yes,
    /// It was not.
    No,
}

/// The result of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offered {
    /// It was taken, and is written if the subscriber has a client.
    Accepted,
    /// It was taken, and some of it waits for the client of the subscriber.
    Queued,
    /// It could not be taken; all subscriptions of the subscriber end.
    Refused,
}

/// Identifies a subscriber within one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubscriberId(pub(crate) u32);

impl SubscriberId {
    /// A small index for tables. It is reused after the subscriber is removed.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
}

/// Holds a subscriber that is attached to the broker, and what the indexes of all shards share about it.
pub(crate) struct AttachedSubscriber<S: ?Sized = dyn Subscriber> {
    /// Its ids, by shard. They are taken when its subscriptions end: by the drop of `Subscriptions` or by a refusal, whichever comes
    /// first.
    ids: Mutex<Option<Vec<(usize, SubscriberId)>>>,
    /// It is stored in place, not behind a pointer: a subscriber is rarely in the CPU cache, and a pointer would cost another cache miss.
    subscriber: S,
}

impl<S: Subscriber> AttachedSubscriber<S> {
    /// Creates one with the ids of one that it takes the place of; without ids if there is none, and `None` if that has ended.
    pub(crate) fn new(subscriber: S, ids: Option<Vec<(usize, SubscriberId)>>) -> Self {
        Self { ids: Mutex::new(ids), subscriber }
    }
}

impl AttachedSubscriber {
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

    /// Tells it that it will not get some events.
    pub(crate) fn missed(&self, missed: &Missed) -> Told {
        catch_unwind(AssertUnwindSafe(|| self.subscriber.missed(missed))).unwrap_or(Told::No)
    }

    /// Waits until what it was offered is written to its client.
    pub(crate) fn flushed(&self) -> Option<Flushing> {
        self.subscriber.flushed()
    }

    /// Returns who its client is; `None` also if the subscriber panics.
    pub(crate) fn client(&self) -> Option<ClientName> {
        catch_unwind(AssertUnwindSafe(|| self.subscriber.client())).ok().flatten()
    }

    /// Tells whether its subscriptions have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock_ids().is_none()
    }

    /// Ends the subscriber and returns its ids to the first caller.
    pub(crate) fn take_ids(&self) -> Option<Vec<(usize, SubscriberId)>> {
        self.lock_ids().take()
    }

    pub(crate) fn lock_ids(&self) -> MutexGuard<'_, Option<Vec<(usize, SubscriberId)>>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AttachedSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttachedSubscriber")
    }
}
