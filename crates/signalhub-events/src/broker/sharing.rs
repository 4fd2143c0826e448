//! Publishes events that all nodes get, and takes those that a [`SharedLog`](crate::SharedLog) brings in.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::core::{Core, Keep};
use super::fan_out::Matched;
use super::receipt::{PublishError, PublishOptions, Published, Receipt, Repeat};
use super::shared::{Expecting, OwnArrival, Shared};
use super::tracked;
use crate::delivery::Delivery;
use crate::event::{Event, EventId};
use crate::idempotency::{Attempt, Begun, KeyReused};
use crate::log::{
    Arrival, Arrived, BrokerClosed, ClusterPublished, Declared, Durability, LogFuture, Missed, Reach, SharedPublish,
    SharedPublishError, SharedPublished, TakesEvents, TrackedWait,
};
use crate::name::EventName;
use crate::position::Position;
use crate::subscriber::Told;

/// How many subscribers are looked at while an index is locked, and before the task yields.
const CHUNK: usize = 1_024;

/// How often it is looked whether the events before a gap were offered, and at first whether an event has come.
const POLL: Duration = Duration::from_millis(1);

/// The longest time between two looks whether an event has come. Thousands of clients may wait at once.
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// How much later than another node this one may get an event before a client that has it already is told of a gap.
const AHEAD: Duration = Duration::from_secs(1);

/// Publishes an event that all nodes get: it is offered when it comes back from the log.
pub(super) async fn publish(
    core: &Core,
    shared: &Shared,
    admitted: (EventId, Arc<Event>),
    options: PublishOptions,
) -> Result<Published, PublishError> {
    Publisher { core, shared }.publish(admitted, options).await
}

/// How it is known that an event is written.
enum Written {
    /// The store has answered.
    Answered(SharedPublished),
    /// The event has come back before.
    CameBack(OwnArrival),
}

/// A broker whose events all nodes get.
struct Publisher<'a> {
    core: &'a Core,
    shared: &'a Shared,
}

impl Publisher<'_> {
    async fn publish(
        &self,
        (id, event): (EventId, Arc<Event>),
        options: PublishOptions,
    ) -> Result<Published, PublishError> {
        if options.durability == Durability::Durable && !self.shared.log.is_durable() {
            return Err(PublishError::NotDurable);
        }
        let attempt = match options.idempotency {
            None => None,
            Some(idempotency) => {
                match self
                    .core
                    .keys
                    .begin(idempotency, Instant::now())
                    .await
                    .map_err(|KeyReused| PublishError::KeyReused)?
                {
                    Begun::First(attempt) => Some(attempt),
                    Begun::Repeat { id, position } => {
                        if options.durability == Durability::Durable {
                            self.shared.log.sync().await.map_err(|_| SharedPublishError::Unknown)?;
                        }
                        return Ok(repeated(id, position));
                    }
                }
            }
        };
        let mut expecting = self.shared.expect(id, options.tracking);
        let PublishOptions { idempotency, durability, tracking, reach } = options;
        let declared = self.core.declared(&event.name);
        let publish = SharedPublish { event, idempotency, declared, durability, reach, tracking };
        let written = match self.write(publish, &mut expecting).await {
            Ok(Written::Answered(written)) => written,
            Ok(Written::CameBack(arrival)) => return Ok(self.returned(id, attempt, arrival, None)),
            Err(error) => {
                let arrival = came_back(&mut expecting, durability).ok_or(error)??;
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
            self.core.keys.count_duplicate();
            return Ok(repeated(first, written.position));
        }
        let arrival = timeout(self.shared.log.patience(), &mut expecting.told).await;
        // It is published, even if this node cannot read it yet.
        let none = OwnArrival { position: written.position, matched: 0, tracked: None };
        let arrival = arrival.ok().and_then(Result::ok).unwrap_or(none);
        let cluster = written.cluster;
        let is_known = cluster.replicas.is_some() || cluster.counts.is_some();
        let cluster = is_known.then(|| Box::new(cluster));
        Ok(self.returned(id, attempt, arrival, cluster))
    }

    /// Writes an event. One whose publisher asks for nothing but the position is written when it comes back, too.
    async fn write(
        &self,
        publish: SharedPublish,
        expecting: &mut Expecting<'_>,
    ) -> Result<Written, SharedPublishError> {
        let is_plain =
            publish.idempotency.is_none() && publish.durability != Durability::Durable && publish.reach == Reach::Node;
        let tells_more = !is_plain || self.shared.log.tells_of_replicas();
        tokio::select! {
            biased;
            written = self.shared.log.publish(publish) => written.map(Written::Answered),
            arrival = &mut expecting.told, if !tells_more => {
                arrival.map(Written::CameBack).map_err(|_| SharedPublishError::Unknown)
            }
        }
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
        self.core.published.fetch_add(1, Ordering::Relaxed);
        let receipt = Receipt { id, position, matched, repeat: Repeat::No };
        Published { receipt, tracked, cluster }
    }
}

/// The broker that takes what its shared log brings in. The log belongs to it.
#[derive(Debug)]
pub(super) struct Incoming(pub(super) Weak<Core>);

impl Incoming {
    fn core(&self) -> Result<Arc<Core>, BrokerClosed> {
        self.0.upgrade().ok_or(BrokerClosed)
    }
}

impl TakesEvents for Incoming {
    fn begun(&self, name: EventName, position: Position) -> Result<(), BrokerClosed> {
        self.core()?.reset(vec![(name, position)]);
        Ok(())
    }

    fn arrived(&self, arrival: Arrival) -> LogFuture<'_, Result<Arrived, BrokerClosed>> {
        Box::pin(async { arrived(&*self.core()?, arrival).await.map_err(|_| BrokerClosed) })
    }

    fn missed(&self, missed: Missed) -> LogFuture<'_, Result<(), BrokerClosed>> {
        Box::pin(async move {
            let core = self.core()?;
            if let Some(shared) = core.kept.shared() {
                continue_behind(&core, shared, &missed).await;
            }
            Ok(())
        })
    }

    fn declared(&self, name: &EventName) -> Result<Declared, BrokerClosed> {
        Ok(self.core()?.declared(name))
    }

    fn has_receivers(&self) -> Result<bool, BrokerClosed> {
        let core = self.core()?;
        Ok(core.shards.subscriber_count() > 0 || core.tails.is_any_open())
    }
}

/// Waits until an event that another node has given a position to is there, but for at most a second.
pub(super) async fn wait_for(core: &Core, shared: &Shared, name: &EventName, position: Position) {
    let (deadline, mut pause) = (Instant::now() + AHEAD, POLL);
    loop {
        let bounds = core.bounds_at(&core.queue_of(name).lock(), name);
        let is_ahead = bounds.epoch == position.epoch() && bounds.top < position.offset();
        let left = deadline.saturating_duration_since(Instant::now());
        if !is_ahead || left.is_zero() {
            return;
        }
        shared.log.is_awaited(name);
        sleep(pause.min(left)).await;
        pause = (2 * pause).min(LONGEST_POLL);
    }
}

/// Offers an event that a shared log brings in.
async fn arrived(core: &Core, arrival: Arrival) -> Result<Arrived, PublishError> {
    let Arrival { event, position, tracking } = arrival;
    let shard = core.shards.shard_of(&event.name);
    let in_flight = core.in_flight(&event).await?;
    let slot = core.queues[shard].sender.reserve().await.map_err(|_| PublishError::Closed)?;
    let own = core.kept.shared().zip(event.id).and_then(|(shared, id)| shared.take(id));
    let accepted = own.as_ref().map_or_else(Instant::now, |own| own.accepted);
    let mut offsets = core.queues[shard].lock();
    match offsets.stored.get_mut(&event.name) {
        Some(latest) => *latest = position,
        None => drop(offsets.stored.insert(event.name.clone(), position)),
    }
    let found = core.show(shard, &mut offsets, position, &event, Keep::Yes);
    let matched = found.len();
    let (tracked, mut tracker) = tracked::start(tracking, &found);
    let mut own_tracked = None;
    if let Some(own) = &own
        && tracker.is_none()
    {
        (own_tracked, tracker) = tracked::start(own.tracking, &found);
    }
    if found.is_empty() && tracker.is_none() && event.trace.is_none() && !core.tails.is_any_open() {
        // Its task would be woken for nothing.
        offsets.sent -= 1;
        core.times.observe_unmatched(accepted);
    } else {
        slot.send(Matched { delivery: Delivery::accepted_at(event, position, accepted), found, in_flight, tracker });
    }
    drop(offsets);
    core.matched.fetch_add(matched as u64, Ordering::Relaxed);
    if let Some(own) = own {
        // The publisher may no longer wait.
        drop(own.tell.send(OwnArrival { position, matched, tracked: own_tracked }));
    }
    let wait = tracked.map(|tracked| TrackedWait::new(|most| Box::pin(tracked.wait(most))));
    Ok(Arrived::new(matched, wait))
}

/// Tells the subscribers of a name that they will not get some of its events, and continues behind these.
async fn continue_behind(core: &Core, shared: &Shared, missed: &Missed) {
    let shard = core.shards.shard_of(&missed.name);
    let queue = &core.queues[shard];
    let sent = queue.lock().sent;
    while queue.offered.load(Ordering::Acquire) < sent {
        sleep(POLL).await;
    }
    core.reset(vec![(missed.name.clone(), missed.now)]);
    shared.missed.gaps.fetch_add(1, Ordering::Relaxed);
    let mut from = 0;
    loop {
        let chunk = core.shards.lock(shard).subscribers(from, CHUNK);
        let Some(chunk) = chunk else { return };
        from += CHUNK;
        for (id, attached) in chunk {
            if !core.shards.lock(shard).has_event(id, &missed.name) {
                continue;
            }
            // No foreign code runs while an index is locked.
            let count = match attached.missed(missed) {
                Told::Yes => &shared.missed.told,
                Told::No => &shared.missed.untold,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        yield_now().await;
    }
}

/// The event of a publish whose answer was lost, if it has come back. It is perhaps not on the disk.
fn came_back(expecting: &mut Expecting<'_>, durability: Durability) -> Option<Result<OwnArrival, SharedPublishError>> {
    let arrival = expecting.told.try_recv().ok()?;
    Some(if durability == Durability::Durable { Err(SharedPublishError::Unknown) } else { Ok(arrival) })
}

/// The result of a publish whose event was published before.
fn repeated(id: EventId, position: Position) -> Published {
    Published { receipt: Receipt { id, position, matched: 0, repeat: Repeat::Yes }, tracked: None, cluster: None }
}
