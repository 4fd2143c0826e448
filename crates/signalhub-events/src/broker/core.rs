//! What the clones of a broker share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::fan_out::Matched;
use super::fan_out_times::FanOutTimes;
use super::kept::Kept;
use super::latest::{LatestEvent, LatestEvents};
use super::receipt::{PublishError, PublishOptions, Published, Receipt, Repeat};
use super::shard_queue::{Offsets, ShardQueue};
use super::tails::Tails;
use super::tracked;
use super::undeclared::Undeclared;
use super::{Observers, PayloadCheck};
use crate::catalogue::Catalogue;
use crate::delivery::Delivery;
use crate::event::{Event, EventId};
use crate::idempotency::{Attempt, Begun, KeyReused, Keys};
use crate::index::{Found, Serial};
use crate::log::{Append, Bounds, Declared, Durability, Expired, Log, LogUnavailable};
use crate::name::EventName;
use crate::position::{Epoch, Position};
use crate::shards::Shards;

/// How many bytes of events may be in flight before publishers wait. An event is in flight from its publish until every subscriber that it
/// matched was offered it.
pub(super) const IN_FLIGHT: u32 = 4 << 20;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) node: Arc<str>,
    /// Identifies the run of the broker: the epoch of all positions that no store gives.
    pub(super) run: Epoch,
    pub(super) serial: AtomicU64,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) undeclared: Mutex<Undeclared>,
    pub(super) payload_checks: RwLock<Vec<PayloadCheck>>,
    pub(super) observers: RwLock<Observers>,
    pub(super) shards: Arc<Shards>,
    pub(super) published: AtomicU64,
    pub(super) matched: AtomicU64,
    pub(super) queues: Vec<ShardQueue>,
    pub(super) times: Arc<FanOutTimes>,
    pub(super) in_flight: Arc<Semaphore>,
    pub(super) keys: Keys,
    pub(super) kept: Kept,
    /// The events that were published last. Its locks are taken behind those of the offsets of a shard.
    pub(super) latest: LatestEvents,
    pub(super) tails: Arc<Tails>,
}

impl Core {
    pub(super) fn queue_of(&self, event: &EventName) -> &ShardQueue {
        &self.queues[self.shards.shard_of(event)]
    }

    pub(super) fn declared(&self, name: &EventName) -> Declared {
        if self.catalogue.resources(name).is_some() { Declared::Yes } else { Declared::No }
    }

    fn check(&self, event: &Event) -> Result<(), PublishError> {
        event.check_names()?;
        self.catalogue.check(&event.name, event.resources())?;
        self.catalogue.check_event(event).map_err(PublishError::Payload)?;
        let checks = self.payload_checks.read().unwrap_or_else(PoisonError::into_inner);
        checks.iter().try_for_each(|check| check(&event.payload)).map_err(PublishError::Payload)
    }

    /// Checks an event, and gives it an id. From here on it lies in one place of the memory.
    pub(super) fn admit(&self, mut event: Event) -> Result<(EventId, Arc<Event>), PublishError> {
        self.check(&event)?;
        let id = EventId::new(self.run, self.serial.fetch_add(1, Ordering::Relaxed));
        (event.id, event.node) = (Some(id), Some(Arc::clone(&self.node)));
        Ok((id, Arc::new(event)))
    }

    /// Publishes an event that was admitted.
    pub(super) async fn publish(
        self: &Arc<Self>,
        (id, event): (EventId, Arc<Event>),
        options: PublishOptions,
    ) -> Result<Published, PublishError> {
        let log = match &self.kept {
            Kept::Log { log, .. } => {
                Some(log).filter(|log| log.admit(&event.name, self.declared(&event.name)).is_some())
            }
            Kept::Nothing | Kept::Memory(_) | Kept::Shared(_) => None,
        };
        if options.durability == Durability::Durable && !log.is_some_and(|log| log.is_durable()) {
            return Err(PublishError::NotDurable);
        }
        let attempt = match options.idempotency {
            None => None,
            Some(idempotency) => {
                match self.keys.begin(idempotency, Instant::now()).await.map_err(|KeyReused| PublishError::KeyReused)? {
                    Begun::First(attempt) => Some(attempt),
                    Begun::Repeat { id, position } => {
                        if let (Some(log), Durability::Durable) = (log, options.durability) {
                            log.sync().await?;
                            // If a new epoch has begun since, the event may have been lost before the sync.
                            let latest = self.queue_of(&event.name).lock().stored.get(&event.name).copied();
                            if latest.is_none_or(|latest| latest.epoch() != position.epoch()) {
                                return Err(LogUnavailable.into());
                            }
                        }
                        let receipt = Receipt { id, position, matched: 0, repeat: Repeat::Yes };
                        return Ok(Published { receipt, tracked: None, cluster: None });
                    }
                }
            }
        };
        match log {
            None => self.publish_now(id, event, options, attempt).await,
            Some(log) => self.publish_through(log, id, event, options, attempt).await,
        }
    }

    /// Publishes an event that no store keeps.
    async fn publish_now(
        &self,
        id: EventId,
        event: Arc<Event>,
        options: PublishOptions,
        attempt: Option<Attempt>,
    ) -> Result<Published, PublishError> {
        let accepted = Instant::now();
        let shard = self.shards.shard_of(&event.name);
        let queue = &self.queues[shard];
        let in_flight = self.in_flight(&event).await?;
        let slot = queue.sender.reserve().await.map_err(|_| PublishError::Closed)?;
        let mut offsets = queue.lock();
        let position = Position::new(self.run, self.next_offset(&mut offsets.declared, &event.name));
        let keep = if let Kept::Memory(_) = self.kept { Keep::Yes } else { Keep::No };
        let placed = Placed { id, event, accepted, options, attempt, shard, in_flight };
        Ok(self.offer(placed, offsets, position, keep, |matched| slot.send(matched)))
    }

    /// Publishes an event that a store keeps: once it is written, it is offered.
    async fn publish_through(
        self: &Arc<Self>,
        log: &Arc<dyn Log>,
        id: EventId,
        event: Arc<Event>,
        options: PublishOptions,
        attempt: Option<Attempt>,
    ) -> Result<Published, PublishError> {
        let accepted = Instant::now();
        let shard = self.shards.shard_of(&event.name);
        let in_flight = self.in_flight(&event).await?;
        let slot = self.queues[shard].sender.clone().reserve_owned().await.map_err(|_| PublishError::Closed)?;
        let (core, (tell, told)) = (Arc::clone(self), oneshot::channel());
        let placed = Placed { id, event: Arc::clone(&event), accepted, options, attempt, shard, in_flight };
        let done = move |result: Result<Position, LogUnavailable>| {
            let published = result.map(|position| {
                let mut offsets = core.queues[shard].lock();
                offsets.stored.insert(placed.event.name.clone(), position);
                core.offer(placed, offsets, position, Keep::Yes, |matched| drop(slot.send(matched)))
            });
            // The publisher may no longer wait.
            drop(tell.send(published));
        };
        log.append(Append::new(event, options.idempotency, options.durability, done)).await?;
        Ok(told.await.map_err(|_| PublishError::Closed)??)
    }

    /// Waits until an event may be in flight. One that is larger than all that may be goes alone.
    pub(super) async fn in_flight(&self, event: &Event) -> Result<OwnedSemaphorePermit, PublishError> {
        let bytes = u32::try_from(event.size()).unwrap_or(u32::MAX).clamp(1, IN_FLIGHT);
        Arc::clone(&self.in_flight).acquire_many_owned(bytes).await.map_err(|_| PublishError::Closed)
    }

    /// Gives an event to the fan-out, while the offsets of its shard are locked.
    fn offer(
        &self,
        placed: Placed,
        mut offsets: MutexGuard<'_, Offsets>,
        position: Position,
        keep: Keep,
        send: impl FnOnce(Matched),
    ) -> Published {
        let Placed { id, event, accepted, options, attempt, shard, in_flight } = placed;
        let found = self.show(shard, &mut offsets, position, &event, keep);
        let receipt = Receipt { id, position, matched: found.len(), repeat: Repeat::No };
        let (tracked, tracker) = tracked::start(options.tracking, &found);
        let delivery = Delivery::accepted_at(event, position, accepted);
        send(Matched { delivery, found, in_flight, tracker });
        drop(offsets);
        if let Some(attempt) = attempt {
            attempt.published(id, position, Instant::now());
        }
        self.count(&receipt);
        Published { receipt, tracked, cluster: None }
    }

    /// Finds the subscribers of an event, and adds it to what is kept in memory. The offsets are those of its shard.
    pub(super) fn show(
        &self,
        shard: usize,
        offsets: &mut Offsets,
        position: Position,
        event: &Arc<Event>,
        keep: Keep,
    ) -> Vec<Found> {
        let now = OffsetDateTime::now_utc();
        let expired = if event.is_expired(now) { Expired::Yes } else { Expired::No };
        let (mut found, mut serial) = (Vec::new(), Serial::default());
        if expired == Expired::No {
            self.observers.read().unwrap_or_else(PoisonError::into_inner).call(event);
            serial = self.shards.lock(shard).matching(event, now, &mut found);
        }
        let latest = LatestEvent::new(event, position, now, found.len());
        self.latest.push(latest, shard, serial, &found);
        if keep == Keep::Yes
            && let Some(mut recent) = self.kept.recent()
        {
            recent.push(event, position.offset(), expired, || self.declared(&event.name), Instant::now());
        }
        offsets.sent += 1;
        found
    }

    fn count(&self, receipt: &Receipt) {
        self.published.fetch_add(1, Ordering::Relaxed);
        self.matched.fetch_add(receipt.matched as u64, Ordering::Relaxed);
    }

    /// The first offset of a name is 1, or higher if undeclared names were [forgotten](super::BrokerBuilder::undeclared_names).
    fn next_offset(&self, declared: &mut HashMap<EventName, u64>, name: &EventName) -> u64 {
        let Self { catalogue, shards, undeclared, .. } = self;
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

    /// The history knows the offset of the latest event of each of its names, also if it is undeclared and was forgotten.
    pub(super) fn bounds_at(&self, offsets: &Offsets, event: &EventName) -> Bounds {
        let latest = offsets.stored.get(event).copied();
        self.kept.bounds(event, self.run, latest, || self.declared(event)).unwrap_or_else(|| {
            let undeclared = || self.undeclared.lock().unwrap_or_else(PoisonError::into_inner).latest(event);
            let top = offsets.declared.get(event).copied().unwrap_or_else(undeclared);
            Bounds { epoch: self.run, first: None, top }
        })
    }

    /// Continues behind these positions, because the store has begun new epochs.
    pub(super) fn reset(&self, names: Vec<(EventName, Position)>) {
        for (name, position) in names {
            let mut offsets = self.queue_of(&name).lock();
            if let Some(mut recent) = self.kept.recent() {
                recent.restart(&name, position.offset());
            }
            if let Some(earlier) = offsets.stored.insert(name, position) {
                self.keys.begin_epoch(earlier.epoch(), position);
            }
        }
    }
}

/// An event that has its place in the queue of its shard, and gets a position.
struct Placed {
    id: EventId,
    event: Arc<Event>,
    accepted: Instant,
    options: PublishOptions,
    attempt: Option<Attempt>,
    shard: usize,
    /// The bytes in flight that it holds.
    in_flight: OwnedSemaphorePermit,
}

/// Whether an event is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Yes,
    No,
}
