//! The broker: takes events in and offers them to their subscribers.

mod builder;
mod fan_out;
mod undeclared;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::catalogue::{Catalogue, CatalogueError};
use crate::delivery::Delivery;
use crate::event::{Event, EventId};
use crate::filter::Filter;
use crate::log::{Bounds, Declared, Expired, HistoryCounts, Page, Recent};
use crate::name::{EventName, NameError};
use crate::position::{Epoch, Position};
use crate::replay::GoLive;
use crate::scope::Scope;
use crate::shards::Shards;
use crate::subscribe_error::SubscribeError;
use crate::subscriber::Subscriber;
use crate::subscriptions::Subscriptions;
pub use builder::BrokerBuilder;
use fan_out::Matched;
use undeclared::Undeclared;

/// How many bytes of events may be in flight before publishers wait. An event is in flight from its publish until every subscriber that it
/// matched was offered it.
const IN_FLIGHT: u32 = 4 << 20;

/// Takes events in, gives each its position, and offers it to the subscribers that want and may see it.
///
/// Clones share one broker. Its tasks, one per shard of event names, end when the last clone is dropped; `Subscriptions` do
/// not keep it alive.
#[derive(Debug, Clone)]
pub struct Broker {
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    node: Arc<str>,
    epoch: Epoch,
    serial: AtomicU64,
    catalogue: Arc<Catalogue>,
    undeclared: Mutex<Undeclared>,
    payload_checks: RwLock<Vec<PayloadCheck>>,
    observers: RwLock<Observers>,
    shards: Arc<Shards>,
    published: AtomicU64,
    matched: AtomicU64,
    queues: Vec<ShardQueue>,
    in_flight: Arc<Semaphore>,
    /// `None` if no events are kept. It is locked last.
    recent: Option<Mutex<Recent>>,
}

/// Checks a payload, and returns why it cannot be sent to the subscribers; see [`Broker::check_payloads`].
pub type PayloadCheck = fn(&[u8]) -> Result<(), String>;

/// The functions that [observe](Broker::observe) events, with the names of the events.
#[derive(Default)]
struct Observers(Vec<(EventName, Box<Observer>)>);

type Observer = dyn Fn(&Event) + Send + Sync;

impl Observers {
    fn call(&self, event: &Event) {
        self.0.iter().filter(|(name, _)| *name == event.name).for_each(|(_, observer)| observer(event));
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The queue of events in front of the task of one shard.
#[derive(Debug)]
struct ShardQueue {
    /// Events are sent and kept while the lock is held, so that the order of the offsets is the order of the deliveries and of the
    /// history, also of undeclared names.
    offsets: Mutex<Offsets>,
    sender: mpsc::Sender<Matched>,
    /// How many events were offered to all subscribers that they matched.
    offered: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Offsets {
    /// The offset of the latest event of each declared name.
    declared: HashMap<EventName, u64>,
    /// How many events were sent to the task of the shard.
    sent: u64,
}

/// How far the deliveries of a name have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The position of the latest event of the name.
    pub position: Position,
    /// How many events had been published in the shard of the name by then.
    pub published: u64,
    /// How many of the events of the shard were offered to all subscribers that they matched.
    pub offered: u64,
}

impl ShardQueue {
    fn lock(&self) -> MutexGuard<'_, Offsets> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    fn recent(&self) -> Option<MutexGuard<'_, Recent>> {
        self.recent.as_ref().map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn declared(&self, name: &EventName) -> Declared {
        if self.catalogue.resources(name).is_some() { Declared::Yes } else { Declared::No }
    }
}

impl Broker {
    /// Starts building a broker that takes the events of this catalogue.
    #[must_use]
    pub fn builder(catalogue: Catalogue) -> BrokerBuilder {
        BrokerBuilder::new(catalogue)
    }

    /// Publishes an event. It returns as soon as the matching subscribers are known; the deliveries follow.
    ///
    /// An event that is past its expiry takes a position but is not delivered. With many events or bytes in flight to
    /// subscribers, the publisher waits for the broker, never for a subscriber. A future that is dropped before it completes
    /// has published nothing.
    ///
    /// # Errors
    /// Refuses what the catalogue does not know or [its checks](Catalogue::with_check) refuse, names that are too long, and payloads that
    /// [some subscribers could not get](Self::check_payloads). A refused event was not published.
    pub async fn publish(&self, mut event: Event) -> Result<Receipt, PublishError> {
        event.check_names()?;
        self.core.catalogue.check(&event.name, event.resources())?;
        self.core.catalogue.check_event(&event).map_err(PublishError::Payload)?;
        for check in &*self.core.payload_checks.read().unwrap_or_else(PoisonError::into_inner) {
            check(&event.payload).map_err(PublishError::Payload)?;
        }
        event.node = Some(Arc::clone(&self.core.node));
        let id = EventId::new(self.core.epoch, self.core.serial.fetch_add(1, Ordering::Relaxed));
        event.id = Some(id);
        let shard = self.core.shards.shard_of(&event.name);
        let queue = &self.core.queues[shard];
        // An event that is larger than all that may be in flight goes alone.
        let bytes = u32::try_from(event.size()).unwrap_or(u32::MAX).clamp(1, IN_FLIGHT);
        let in_flight = Arc::clone(&self.core.in_flight).acquire_many_owned(bytes).await;
        let in_flight = in_flight.map_err(|_| PublishError::Closed)?;
        let slot = queue.sender.reserve().await.map_err(|_| PublishError::Closed)?;
        let mut found = Vec::new();
        let mut offsets = queue.lock();
        let position = Position::new(self.core.epoch, self.next_offset(&mut offsets.declared, &event.name));
        let expired = if event.is_expired(OffsetDateTime::now_utc()) { Expired::Yes } else { Expired::No };
        if expired == Expired::No {
            self.core.observers.read().unwrap_or_else(PoisonError::into_inner).call(&event);
            self.core.shards.lock(shard).matching(&event, &mut found);
        }
        let receipt = Receipt { id, position, matched: found.len() };
        let event = Arc::new(event);
        if let Some(mut recent) = self.core.recent() {
            let declared = || self.core.declared(&event.name);
            recent.push(&event, position.offset(), expired, declared, Instant::now());
        }
        offsets.sent += 1;
        slot.send(Matched { delivery: Delivery::new(event, position), found, in_flight });
        drop(offsets);
        self.core.published.fetch_add(1, Ordering::Relaxed);
        self.core.matched.fetch_add(receipt.matched as u64, Ordering::Relaxed);
        Ok(receipt)
    }

    /// The first offset of a name is 1, or higher if undeclared names were [forgotten](BrokerBuilder::undeclared_names).
    fn next_offset(&self, declared: &mut HashMap<EventName, u64>, name: &EventName) -> u64 {
        let Core { catalogue, shards, undeclared, .. } = &*self.core;
        if let Some(offset) = declared.get_mut(name) {
            *offset += 1;
            return *offset;
        }
        if catalogue.resources(name).is_some() {
            declared.insert(name.clone(), 1);
            return 1;
        }
        let is_wanted = |name: &EventName| shards.lock(shards.shard_of(name)).knows(name);
        undeclared.lock().unwrap_or_else(PoisonError::into_inner).next_offset(name, is_wanted)
    }

    /// Returns which events of a name are kept, and the offset of its latest event.
    #[must_use]
    pub fn bounds(&self, event: &EventName) -> Bounds {
        self.bounds_at(&self.queue_of(event).lock(), event)
    }

    /// Reads at most `most` of the kept events of a name, of any organisation, behind the offset `after`. The page is empty if no events
    /// are kept.
    #[must_use]
    pub fn read(&self, event: &EventName, after: u64, most: usize) -> Page {
        let recent = self.core.recent();
        recent.map_or_else(|| Page::empty(after), |mut recent| recent.read(event, after, most, Instant::now()))
    }

    /// Adds filters for one event to the subscriptions of a subscriber that has got its earlier events by a replay.
    ///
    /// Returns the position behind which the subscriber is offered the events as they are published. If there are more newer events
    /// than [`GoLive::Behind`] permits, nothing is added, and the result is `None`. Those that it permits are passed to `send`, before
    /// the filters are added; publishers wait meanwhile.
    ///
    /// # Errors
    /// As [`Subscriptions::add`]. Filters before the one that is refused were added.
    pub fn go_live(
        &self,
        subscriptions: &mut Subscriptions,
        event: &EventName,
        filters: &[Filter],
        when: GoLive,
        mut send: impl FnMut(Position, Arc<Event>),
    ) -> Result<Option<Position>, SubscribeError> {
        let offsets = self.queue_of(event).lock();
        let Bounds { top, .. } = self.bounds_at(&offsets, event);
        if let GoLive::Behind { after, most } = when
            && after < top
        {
            let page = if most > 0 { self.read(event, after, most) } else { Page::empty(after) };
            if page.through < top || after + 1 < page.first {
                return Ok(None);
            }
            page.events.into_iter().for_each(|(offset, event)| send(Position::new(self.core.epoch, offset), event));
        }
        for filter in filters {
            subscriptions.add(filter)?;
        }
        Ok(Some(Position::new(self.core.epoch, top)))
    }

    /// Returns how far the deliveries of a name have come. When as many events of its shard were offered as had been published at an earlier
    /// call, every event up to the position of that call was offered to all subscribers that it matched.
    #[must_use]
    pub fn progress(&self, event: &EventName) -> Progress {
        let queue = self.queue_of(event);
        let offered = queue.offered.load(Ordering::Acquire);
        let offsets = queue.lock();
        let position = self.bounds_at(&offsets, event).position();
        Progress { position, published: offsets.sent, offered }
    }

    /// Returns how many events are kept, and how many were removed; zeros if no events are kept.
    #[must_use]
    pub fn history_counts(&self) -> HistoryCounts {
        self.core.recent().map(|recent| recent.counts()).unwrap_or_default()
    }

    fn queue_of(&self, event: &EventName) -> &ShardQueue {
        &self.core.queues[self.core.shards.shard_of(event)]
    }

    /// The history knows the offset of the latest event of each of its names, also if it is undeclared and was forgotten.
    fn bounds_at(&self, offsets: &Offsets, event: &EventName) -> Bounds {
        let core = &*self.core;
        let bounds = core.recent().and_then(|mut recent| recent.bounds(event, || core.declared(event), Instant::now()));
        let (first, top) = match (bounds, offsets.declared.get(event)) {
            (Some((first, top)), _) => (Some(first), top),
            (None, Some(top)) => (None, *top),
            (None, None) => (None, core.undeclared.lock().unwrap_or_else(PoisonError::into_inner).latest(event)),
        };
        Bounds { epoch: core.epoch, first, top }
    }

    /// Adds a check of each payload before it is published. A hub adds what its clients need; a check that is there already is not
    /// added again.
    pub fn check_payloads(&self, check: PayloadCheck) {
        let mut checks = self.core.payload_checks.write().unwrap_or_else(PoisonError::into_inner);
        if !checks.iter().any(|known| std::ptr::fn_addr_eq(*known, check)) {
            checks.push(check);
        }
    }

    /// Calls a function with each event of this name that is published and has not expired, of any organisation, in the order of their
    /// positions, before any subscriber is offered the event. The function must be quick and must not publish: publishers of the same
    /// shard wait for it. A program keeps with it what clients may ask for after an event.
    pub fn observe(&self, name: EventName, observer: impl Fn(&Event) + Send + Sync + 'static) {
        let mut observers = self.core.observers.write().unwrap_or_else(PoisonError::into_inner);
        observers.0.push((name, Box::new(observer)));
    }

    /// Attaches a subscriber, which may see what its scope allows and has no subscriptions yet.
    ///
    /// It is offered an event once, even if several of its subscriptions match.
    #[must_use = "dropping the subscriptions ends them"]
    pub fn attach(&self, subscriber: impl Subscriber + 'static, scope: Scope) -> Subscriptions {
        Subscriptions::new(self.core.shards.clone(), self.core.catalogue.clone(), subscriber, scope)
    }

    /// Counts the attached subscribers that have not refused a delivery.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.core.shards.subscriber_count()
    }

    /// Counts the subscriptions of all subscribers.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.core.shards.subscription_count()
    }

    /// Counts the events that were published so far.
    #[must_use]
    pub fn published_count(&self) -> u64 {
        self.core.published.load(Ordering::Relaxed)
    }

    /// Counts the deliveries that were offered so far: for each event, the subscribers that it matched.
    #[must_use]
    pub fn matched_count(&self) -> u64 {
        self.core.matched.load(Ordering::Relaxed)
    }

    /// Returns the events that this broker takes.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.core.catalogue
    }

    /// Returns the id of this node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.core.node
    }

    /// Returns the epoch of the positions that this broker gives.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.core.epoch
    }
}

/// The result of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Identifies the event.
    pub id: EventId,
    /// The position among the events of its name.
    pub position: Position,
    /// The number of subscribers on this node that matched the event.
    pub matched: usize,
}

/// Tells why an event was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event does not exist, or has no resources.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A name is too long.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The payload is not what the event needs, or cannot reach the subscribers.
    #[error("the payload cannot be delivered: {0}")]
    Payload(String),
    /// The broker's tasks have ended, with their runtime.
    #[error("the broker is closed")]
    Closed,
}

#[cfg(test)]
mod tests;
