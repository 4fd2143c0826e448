//! A broker that shares its events with those of other nodes, through a [`SharedLog`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::core::{Core, Keep};
use super::fan_out::Matched;
use super::receipt::{PublishError, PublishOptions, Published, Receipt, Repeat};
use super::tracked::{Tracked, Tracking};
use crate::delivery::Delivery;
use crate::event::{Event, EventId};
use crate::idempotency::{Attempt, Begun, KeyReused};
use crate::log::{ClusterPublished, Durability, Recent, SharedLog, SharedPublish};
use crate::name::EventName;
use crate::position::Position;
use crate::replay::{Gap, GapReason};
use crate::subscriber::Told;

/// How many subscribers are looked at while an index is locked, and before the task yields.
const CHUNK: usize = 1_024;

/// How often it is looked whether the events before a gap were offered.
const DRAIN_POLL: Duration = Duration::from_millis(1);

/// The shared log of a broker, and the publishers that wait until their events come back from it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) log: Arc<dyn SharedLog>,
    /// The latest events are in memory as well. The lock is taken last.
    tail: Mutex<Recent>,
    expected: Mutex<HashMap<EventId, Expected>>,
    missed: MissedCounters,
}

/// A publisher that waits for its event.
#[derive(Debug)]
struct Expected {
    accepted: Instant,
    tracking: Tracking,
    tell: oneshot::Sender<OwnArrival>,
}

/// An event of this node that has come back.
#[derive(Debug)]
struct OwnArrival {
    position: Position,
    matched: usize,
    tracked: Option<Tracked>,
}

#[derive(Debug, Default)]
struct MissedCounters {
    gaps: AtomicU64,
    told: AtomicU64,
    untold: AtomicU64,
}

/// What a broker has missed of the events of other nodes, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MissedCounts {
    /// How often events of a name could not be read any more.
    pub gaps: u64,
    /// How many subscribers were told.
    pub told: u64,
    /// How many subscribers could not be told.
    pub untold: u64,
}

impl Shared {
    pub(super) fn new(log: Arc<dyn SharedLog>) -> Self {
        let (expected, missed) = (Mutex::default(), MissedCounters::default());
        Self { log, tail: Mutex::new(Recent::tail()), expected, missed }
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Recent> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn missed_counts(&self) -> MissedCounts {
        let MissedCounters { gaps, told, untold } = &self.missed;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        MissedCounts { gaps: load(gaps), told: load(told), untold: load(untold) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an event until the result is dropped.
    fn expect(&self, id: EventId, tracking: Tracking) -> Expecting<'_> {
        let (tell, told) = oneshot::channel();
        self.lock().insert(id, Expected { accepted: Instant::now(), tracking, tell });
        Expecting { shared: self, id, told }
    }
}

/// Waits for one event to come back.
struct Expecting<'a> {
    shared: &'a Shared,
    id: EventId,
    told: oneshot::Receiver<OwnArrival>,
}

impl Drop for Expecting<'_> {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.id);
    }
}

/// An event that a shared log brings in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Arrival {
    /// The event, with its id and its node.
    pub event: Arc<Event>,
    /// Its position: the next one of its name, unless the broker was told that it [missed](SharedEvents::missed) some.
    pub position: Position,
    /// Whether its publisher wants to know how far it comes.
    pub tracking: Tracking,
}

impl Arrival {
    /// An event that is not tracked.
    #[must_use]
    pub fn new(event: Arc<Event>, position: Position) -> Self {
        Self { event, position, tracking: Tracking::Off }
    }
}

/// What became of an event that was brought in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Arrived {
    /// How many subscribers of this node it matched.
    pub matched: usize,
    /// How far it comes to them, if another node wants to know.
    pub tracked: Option<Tracked>,
}

/// Events of a name that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missed {
    /// The name.
    pub name: EventName,
    /// The position of the last event that was brought in.
    pub from: Position,
    /// The position behind which events are brought in from now on.
    pub now: Position,
    /// Why they are missing.
    pub reason: GapReason,
    /// What happens to clients that cannot be told.
    pub untold: Untold,
}

/// What happens to a client that has missed events and cannot be told, because it knows of no positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Untold {
    /// Nothing: it is counted.
    #[default]
    Counted,
    /// Its connection ends, and it may reconnect by itself.
    Closed,
}

impl Missed {
    /// Puts one together.
    #[must_use]
    pub const fn new(name: EventName, from: Position, now: Position, reason: GapReason) -> Self {
        Self { name, from, now, reason, untold: Untold::Counted }
    }

    /// Returns the gap as subscribers are told of it.
    #[must_use]
    pub fn gap(&self) -> Gap {
        let first = Position::new(self.now.epoch(), self.now.offset() + 1);
        Gap { from: self.from, first: Some(first), reason: self.reason }
    }
}

/// Takes what a [`SharedLog`] brings in. The log calls it for one event of a name after the other, in the order of their positions.
#[derive(Debug, Clone)]
pub struct SharedEvents {
    core: Weak<Core>,
}

/// The broker that took the events has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker is closed")]
pub struct BrokerClosed;

impl SharedEvents {
    pub(super) fn new(core: Weak<Core>) -> Self {
        Self { core }
    }

    fn core(&self) -> Result<Arc<Core>, BrokerClosed> {
        self.core.upgrade().ok_or(BrokerClosed)
    }

    /// Tells the broker of a name that had no events when the log was opened. Nothing of it is missing.
    ///
    /// # Errors
    /// When the broker has ended.
    pub fn begun(&self, name: EventName, position: Position) -> Result<(), BrokerClosed> {
        self.core()?.reset(vec![(name, position)]);
        Ok(())
    }

    /// Offers an event to the subscribers of this node. It waits while too many events wait for their subscribers.
    ///
    /// # Errors
    /// When the broker has ended.
    pub async fn arrived(&self, arrival: Arrival) -> Result<Arrived, BrokerClosed> {
        self.core()?.arrived(arrival).await.map_err(|_| BrokerClosed)
    }

    /// Tells the subscribers of a name that they will not get some of its events, once they were offered all that came before.
    ///
    /// # Errors
    /// When the broker has ended.
    pub async fn missed(&self, missed: Missed) -> Result<(), BrokerClosed> {
        self.core()?.missed(missed).await;
        Ok(())
    }
}

impl Core {
    /// Publishes an event that all nodes get: it is offered when it comes back from the log.
    pub(super) async fn publish_shared(
        &self,
        shared: &Shared,
        (id, event): (EventId, Arc<Event>),
        options: PublishOptions,
    ) -> Result<Published, PublishError> {
        if options.durability == Durability::Durable && !shared.log.is_durable() {
            return Err(PublishError::NotDurable);
        }
        let attempt = match options.idempotency {
            None => None,
            Some(idempotency) => {
                match self.keys.begin(idempotency, Instant::now()).await.map_err(|KeyReused| PublishError::KeyReused)? {
                    Begun::First(attempt) => Some(attempt),
                    Begun::Repeat { id, position } => {
                        if options.durability == Durability::Durable {
                            shared.log.sync().await?;
                        }
                        return Ok(repeated(id, position));
                    }
                }
            }
        };
        let mut expecting = shared.expect(id, options.tracking);
        let PublishOptions { idempotency, durability, tracking, reach } = options;
        let publish = SharedPublish { event, idempotency, durability, reach, tracking };
        let written = match shared.log.publish(publish).await {
            Ok(written) => written,
            Err(error) => {
                // The answer of the store was lost, but the event has come back.
                let Ok(arrival) = expecting.told.try_recv() else { return Err(error.into()) };
                return Ok(self.returned(id, attempt, arrival, None));
            }
        };
        if let (Some((first, fingerprint)), Some(idempotency)) = (written.repeat_of, options.idempotency) {
            if fingerprint != idempotency.fingerprint {
                return Err(PublishError::KeyReused);
            }
            if let Some(attempt) = attempt {
                attempt.published(first, written.position, Instant::now());
            }
            self.keys.count_duplicate();
            return Ok(repeated(first, written.position));
        }
        let arrival = timeout(shared.log.patience(), &mut expecting.told).await;
        // It is published, even if this node cannot read it yet.
        let none = OwnArrival { position: written.position, matched: 0, tracked: None };
        let arrival = arrival.ok().and_then(Result::ok).unwrap_or(none);
        let cluster = written.cluster;
        let is_known = cluster.replicas.is_some() || cluster.counts.is_some();
        let cluster = is_known.then(|| Box::new(cluster));
        Ok(self.returned(id, attempt, arrival, cluster))
    }

    /// The result of a publish whose event has come back.
    fn returned(
        &self,
        id: EventId,
        attempt: Option<Attempt>,
        arrival: OwnArrival,
        cluster: Option<Box<ClusterPublished>>,
    ) -> Published {
        let OwnArrival { position, matched, tracked } = arrival;
        if let Some(attempt) = attempt {
            attempt.published(id, position, Instant::now());
        }
        self.published.fetch_add(1, Ordering::Relaxed);
        let receipt = Receipt { id, position, matched, repeat: Repeat::No };
        Published { receipt, tracked, cluster }
    }

    /// Offers an event that a shared log brings in.
    async fn arrived(&self, arrival: Arrival) -> Result<Arrived, PublishError> {
        let Arrival { event, position, tracking } = arrival;
        let shard = self.shards.shard_of(&event.name);
        let in_flight = self.in_flight(&event).await?;
        let slot = self.queues[shard].sender.reserve().await.map_err(|_| PublishError::Closed)?;
        let own = self.kept.shared().zip(event.id).and_then(|(shared, id)| shared.lock().remove(&id));
        let accepted = own.as_ref().map_or_else(Instant::now, |own| own.accepted);
        let mut offsets = self.queues[shard].lock();
        match offsets.stored.get_mut(&event.name) {
            Some(latest) => *latest = position,
            None => drop(offsets.stored.insert(event.name.clone(), position)),
        }
        let found = self.show(shard, &mut offsets, position, &event, Keep::Yes);
        let matched = found.len();
        let (tracked, mut tracker) = tracking.start(&found);
        let mut own_tracked = None;
        if let Some(own) = &own
            && tracker.is_none()
        {
            (own_tracked, tracker) = own.tracking.start(&found);
        }
        slot.send(Matched { delivery: Delivery::accepted_at(event, position, accepted), found, in_flight, tracker });
        drop(offsets);
        self.matched.fetch_add(matched as u64, Ordering::Relaxed);
        if let Some(own) = own {
            // The publisher may no longer wait.
            drop(own.tell.send(OwnArrival { position, matched, tracked: own_tracked }));
        }
        Ok(Arrived { matched, tracked })
    }

    /// Continues behind a gap.
    async fn missed(&self, missed: Missed) {
        let Some(shared) = self.kept.shared() else { return };
        let shard = self.shards.shard_of(&missed.name);
        let queue = &self.queues[shard];
        let sent = queue.lock().sent;
        while queue.offered.load(Ordering::Acquire) < sent {
            sleep(DRAIN_POLL).await;
        }
        self.reset(vec![(missed.name.clone(), missed.now)]);
        shared.missed.gaps.fetch_add(1, Ordering::Relaxed);
        let mut from = 0;
        loop {
            let chunk = self.shards.lock(shard).subscribers(from, CHUNK);
            let Some(chunk) = chunk else { return };
            from += CHUNK;
            for (id, attached) in chunk {
                if !self.shards.lock(shard).has_event(id, &missed.name) {
                    continue;
                }
                // No foreign code runs while an index is locked.
                let count = match attached.missed(&missed) {
                    Told::Yes => &shared.missed.told,
                    Told::No => &shared.missed.untold,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
            yield_now().await;
        }
    }
}

/// The result of a publish whose event was published before.
fn repeated(id: EventId, position: Position) -> Published {
    Published { receipt: Receipt { id, position, matched: 0, repeat: Repeat::Yes }, tracked: None, cluster: None }
}
