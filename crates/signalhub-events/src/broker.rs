//! The broker: takes events in and offers them to their subscribers.

mod fan_out;
mod undeclared;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc};

use crate::catalogue::{Catalogue, CatalogueError};
use crate::delivery::Delivery;
use crate::event::Event;
use crate::name::{EventName, NameError};
use crate::position::{Epoch, Position};
use crate::scope::Scope;
use crate::shards::Shards;
use crate::subscriber::Subscriber;
use crate::subscriptions::Subscriptions;
use fan_out::{FanOut, Matched};
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
    /// The offset of the latest event of each declared name. Events are sent while the lock is held, so that the order of the offsets
    /// is the order of the deliveries, also of undeclared names.
    offsets: Mutex<HashMap<EventName, u64>>,
    sender: mpsc::Sender<Matched>,
}

impl Broker {
    /// Starts building a broker that takes the events of this catalogue.
    #[must_use]
    pub fn builder(catalogue: Catalogue) -> BrokerBuilder {
        let shards = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
        BrokerBuilder { catalogue, node: None, shards, shard_queue: 256, undeclared: 10_000 }
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
        let id = EventId { epoch: self.core.epoch, serial: self.core.serial.fetch_add(1, Ordering::Relaxed) };
        let shard = self.core.shards.shard_of(&event.name);
        let queue = &self.core.queues[shard];
        // An event that is larger than all that may be in flight goes alone.
        let bytes = u32::try_from(event.size()).unwrap_or(u32::MAX).clamp(1, IN_FLIGHT);
        let in_flight = Arc::clone(&self.core.in_flight).acquire_many_owned(bytes).await;
        let in_flight = in_flight.map_err(|_| PublishError::Closed)?;
        let slot = queue.sender.reserve().await.map_err(|_| PublishError::Closed)?;
        let mut found = Vec::new();
        let mut offsets = queue.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let position = Position::new(self.core.epoch, self.next_offset(&mut offsets, &event.name));
        if !event.is_expired(OffsetDateTime::now_utc()) {
            self.core.observers.read().unwrap_or_else(PoisonError::into_inner).call(&event);
            self.core.shards.lock(shard).matching(&event, &mut found);
        }
        let receipt = Receipt { id, position, matched: found.len() };
        slot.send(Matched { delivery: Delivery::new(Arc::new(event), position), found, in_flight });
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

/// Builds a [`Broker`].
#[derive(Debug, Clone)]
pub struct BrokerBuilder {
    catalogue: Catalogue,
    node: Option<String>,
    shards: usize,
    shard_queue: usize,
    undeclared: usize,
}

impl BrokerBuilder {
    /// Sets the id of this node; random by default.
    #[must_use]
    pub fn node(self, node: impl Into<String>) -> Self {
        Self { node: Some(node.into()), ..self }
    }

    /// Sets the number of tasks that share the event names, at least one; by default one per processor, at most eight.
    #[must_use]
    pub fn shards(self, shards: usize) -> Self {
        Self { shards: shards.max(1), ..self }
    }

    /// Sets how many events may wait in a shard before publishers wait, at least one; 256 by default.
    #[must_use]
    pub fn shard_queue(self, events: usize) -> Self {
        Self { shard_queue: events.max(1), ..self }
    }

    /// Sets for how many undeclared events it counts positions, beside those with subscribers; 10 000 by default. Those that were
    /// not published for the longest time are forgotten. If they are published again, their positions continue behind those of all
    /// forgotten ones.
    #[must_use]
    pub fn undeclared_names(self, most: usize) -> Self {
        Self { undeclared: most, ..self }
    }

    /// Starts the broker.
    ///
    /// # Panics
    /// Panics outside a tokio runtime, which its tasks need, and if the operating system gives no random bytes.
    #[must_use]
    pub fn build(self) -> Broker {
        let random = || getrandom::u64().expect("an operating system gives random bytes, or nothing here can work");
        let epoch = Epoch::new(random());
        let node = self.node.unwrap_or_else(|| format!("{:016x}", random())).into();
        let shards = Arc::new(Shards::new(self.shards));
        let start = |_| {
            let (sender, events) = mpsc::channel(self.shard_queue);
            tokio::spawn(FanOut::new(Arc::clone(&shards), events).run());
            ShardQueue { offsets: Mutex::default(), sender }
        };
        let queues = (0..self.shards).map(start).collect();
        let (catalogue, serial) = (Arc::new(self.catalogue), AtomicU64::new(1));
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        let (published, matched) = (AtomicU64::default(), AtomicU64::default());
        let (payload_checks, undeclared) = (RwLock::default(), Mutex::new(Undeclared::new(self.undeclared)));
        let core = Core {
            node,
            epoch,
            serial,
            catalogue,
            undeclared,
            payload_checks,
            observers: RwLock::default(),
            shards,
            published,
            matched,
            queues,
            in_flight,
        };
        Broker { core: Arc::new(core) }
    }
}

/// Identifies a published event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    epoch: Epoch,
    serial: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.serial)
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
