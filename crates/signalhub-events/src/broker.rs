//! The broker: takes events in and offers them to their subscribers.

mod builder;
mod core;
mod fan_out;
mod fan_out_times;
mod kept;
mod latest;
mod receipt;
mod shard_queue;
mod shared;
mod sharing;
mod tails;
mod traced;
mod tracked;
mod undeclared;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use signalhub_counters::Observed;
use time::OffsetDateTime;
use tokio::time::Instant;

use self::core::Core;
use self::latest::Remembered;
use crate::attached_client::{self, AttachedClient};
use crate::catalogue::Catalogue;
use crate::event::Event;
use crate::filter::Filter;
use crate::idempotency::IdempotencyCounts;
#[cfg(doc)]
use crate::log::History;
use crate::log::{Bounds, HistoryCounts, LogCounts, LogUnavailable, Page, ReadRange};
use crate::name::EventName;
use crate::position::{Epoch, Position};
use crate::replay::GoLive;
use crate::scope::Scope;
use crate::subscribe_error::SubscribeError;
use crate::subscriber::{ClientName, Subscriber};
use crate::subscriptions::Subscriptions;
use crate::top_subscriptions::{self, CountedBy, SubscriptionCount};
pub use builder::BrokerBuilder;
pub use latest::{LatestEvent, LatestExtent, MatchedClients};
pub use receipt::{PublishError, PublishOptions, Published, Receipt, Repeat};
pub use shared::MissedCounts;
pub use tails::{Tail, TailFilter, Tailed, TailedEvent};
pub use traced::{FanOutSpan, FanOutTracer};
pub use tracked::Tracked;

/// Takes events in, gives each its position, and offers it to the subscribers that want and may see it.
///
/// Clones share one broker. Its tasks, one per shard of event names, end when the last clone is dropped; `Subscriptions` do
/// not keep it alive.
#[derive(Debug, Clone)]
pub struct Broker {
    core: Arc<Core>,
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

impl Broker {
    /// Starts building a broker that takes the events of this catalogue.
    #[must_use]
    pub fn builder(catalogue: Catalogue) -> BrokerBuilder {
        BrokerBuilder::new(catalogue)
    }

    /// Publishes an event. It returns as soon as the matching subscribers are known; the deliveries follow.
    ///
    /// An event that is past its expiry takes a position but is not delivered. With many events or bytes in flight to
    /// subscribers, the publisher waits for the broker, never for a subscriber. If a [store](History::Log) keeps the events, it also waits
    /// until the event is written. A future that is dropped before it completes has published nothing, unless the event is on its way
    /// into the store.
    ///
    /// # Errors
    /// Refuses what the catalogue does not know or [its checks](Catalogue::with_check) refuse, names that are too long, and payloads that
    /// [some subscribers could not get](Self::check_payloads). A refused event was not published.
    pub async fn publish(&self, event: Event) -> Result<Receipt, PublishError> {
        let admitted = self.core.admit(event)?;
        let options = PublishOptions::default();
        let published = match self.core.kept.shared() {
            None => self.core.publish(admitted, options).await?,
            Some(shared) => Box::pin(sharing::publish(&self.core, shared, admitted, options)).await?,
        };
        Ok(published.receipt)
    }

    /// As [`publish`](Self::publish), with more to ask for.
    ///
    /// A repeat publishes nothing, and has the id and the position of the first publish in its receipt. If that is under way, it waits
    /// for it.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and if the idempotency key belongs to another event, or the event cannot be made durable.
    pub async fn publish_with(&self, event: Event, options: PublishOptions) -> Result<Published, PublishError> {
        let admitted = self.core.admit(event)?;
        match self.core.kept.shared() {
            None => self.core.publish(admitted, options).await,
            Some(shared) => Box::pin(sharing::publish(&self.core, shared, admitted, options)).await,
        }
    }

    /// Counts the subscribers of this broker that would get an event now, without publishing it. It takes as long as a publish takes to find
    /// them, and does not check the event.
    #[must_use]
    pub fn interest(&self, event: &Event) -> usize {
        self.core.shards.lock(self.core.shards.shard_of(&event.name)).count_matching(event)
    }

    /// Returns which events of a name are kept, and the offset of its latest event.
    #[must_use]
    pub fn bounds(&self, event: &EventName) -> Bounds {
        self.core.bounds_at(&self.core.queue_of(event).lock(), event)
    }

    /// Waits until the event at a position is there that another node has [shared](History::Shared), but for at most a second: a client that
    /// comes from another node may have got it already. Without other nodes it does not wait.
    pub async fn wait_for(&self, event: &EventName, position: Position) {
        if let Some(shared) = self.core.kept.shared() {
            sharing::wait_for(&self.core, shared, event, position).await;
        }
    }

    /// Reads at most `most` of the kept events of a name, of any organisation, behind the position `after`. Events that were not offered
    /// to their subscribers yet are left out. The page is empty if no events are kept.
    ///
    /// # Errors
    /// When the store cannot be read, or has begun a new epoch since the position was given.
    pub async fn read(&self, event: &EventName, after: Position, most: usize) -> Result<Page, LogUnavailable> {
        let range = {
            let offsets = self.core.queue_of(event).lock();
            let Bounds { epoch, first, top } = self.core.bounds_at(&offsets, event);
            let (Some(first), Some(mut recent)) = (first, self.core.kept.recent()) else {
                return Ok(Page::empty(after.offset()));
            };
            if epoch != after.epoch() {
                return Err(LogUnavailable);
            }
            let page = recent.read(event, after.offset(), most, Instant::now());
            match self.core.kept.store() {
                Some(_) if after.offset() < top && after.offset() + 1 < page.first => {
                    ReadRange::new(event.clone(), after.offset(), top, most)
                }
                Some(_) => return Ok(Page { first, ..page }),
                None => return Ok(page),
            }
        };
        let Some(store) = self.core.kept.store() else { return Ok(Page::empty(after.offset())) };
        let page = store.read(range).await?;
        // If a new epoch has begun meanwhile, other events may have the same offsets.
        if self.bounds(event).epoch != after.epoch() {
            return Err(LogUnavailable);
        }
        Ok(page)
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
        let offsets = self.core.queue_of(event).lock();
        let latest = self.core.bounds_at(&offsets, event).position();
        if let GoLive::Behind { after, most } = when
            && after != latest
        {
            if after.epoch() != latest.epoch() {
                return Ok(None);
            }
            let recent = self.core.kept.recent().filter(|_| most > 0);
            let Some(mut recent) = recent else { return Ok(None) };
            let page = recent.read(event, after.offset(), most, Instant::now());
            drop(recent);
            if page.through < latest.offset() || after.offset() + 1 < page.first {
                return Ok(None);
            }
            let position = |offset| Position::new(latest.epoch(), offset);
            page.events.into_iter().for_each(|(offset, event)| send(position(offset), event));
        }
        for filter in filters {
            subscriptions.add(filter)?;
        }
        Ok(Some(latest))
    }

    /// Returns how far the deliveries of a name have come. When as many events of its shard were offered as had been published at an earlier
    /// call, every event up to the position of that call was offered to all subscribers that it matched.
    #[must_use]
    pub fn progress(&self, event: &EventName) -> Progress {
        let queue = self.core.queue_of(event);
        let offered = queue.offered.load(Ordering::Acquire);
        let offsets = queue.lock();
        let position = self.core.bounds_at(&offsets, event).position();
        Progress { position, published: offsets.sent, offered }
    }

    /// Returns how many events are kept, and how many were removed; zeros if no events are kept.
    #[must_use]
    pub fn history_counts(&self) -> HistoryCounts {
        match self.core.kept.store() {
            Some(store) => store.counts().kept,
            None => self.core.kept.recent().map(|recent| recent.counts()).unwrap_or_default(),
        }
    }

    /// Returns what the [store](History::Log) counts, if there is one.
    #[must_use]
    pub fn log_counts(&self) -> Option<LogCounts> {
        self.core.kept.store().map(|store| store.counts())
    }

    /// Tells whether events can be made [durable](crate::Durability::Durable).
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.core.kept.store().is_some_and(|store| store.is_durable())
    }

    /// Tells whether other nodes get its events, and it gets theirs: whether its history is [shared](History::Shared).
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.core.kept.shared().is_some()
    }

    /// Returns what it has missed of the events of other nodes.
    #[must_use]
    pub fn missed_counts(&self) -> MissedCounts {
        self.core.kept.shared().map(shared::Shared::missed_counts).unwrap_or_default()
    }

    /// Returns what was counted of publishes with idempotency keys.
    #[must_use]
    pub fn idempotency_counts(&self) -> IdempotencyCounts {
        self.core.keys.counts()
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

    /// Returns the events that were published last, of all organisations, the latest first: at most 100.
    #[must_use]
    pub fn latest_events(&self) -> Vec<LatestEvent> {
        self.core.latest.all()
    }

    /// Finds one of the [latest events](Self::latest_events) by its name and its position, with the clients of the subscribers that it
    /// matched. Whether a client has taken the event is not known here.
    #[must_use]
    pub fn latest_event(&self, name: &EventName, position: Position) -> Option<(LatestEvent, MatchedClients)> {
        let found = self.core.latest.find(name, position);
        let (latest, Remembered { shard, serial, ids }) = found?;
        let not_remembered = latest.matched - ids.len();
        let index = self.core.shards.lock(shard);
        let attached: Vec<_> = ids.iter().filter_map(|id| index.found(*id, serial)).collect();
        drop(index);
        let clients: Vec<_> = attached.iter().filter_map(|attached| attached.client()).collect();
        let others = ids.len() - clients.len();
        Some((latest, MatchedClients { clients, others, not_remembered }))
    }

    /// Opens a tail, which gets the events of all organisations as they are published; `None` if 10 are open.
    #[must_use]
    pub fn tail(&self, filter: TailFilter) -> Option<Tail> {
        self.core.tails.open(filter)
    }

    /// Finds the subscribers whose clients are wanted, at most `most` of them. It takes a while if there are many subscribers, but publishers do
    /// not wait for it. Subscribers without subscriptions are not found.
    pub async fn attached_clients(
        &self,
        most: usize,
        wanted: impl Fn(&ClientName) -> bool + Send,
    ) -> Vec<AttachedClient> {
        attached_client::find(&self.core.shards, most, wanted).await
    }

    /// Counts the subscriptions to each event, or to each resource, and returns the largest counts, at most `most`, the largest first. It
    /// takes a while if there are many subscriptions, but publishers do not wait for it.
    pub async fn largest_subscription_counts(&self, by: CountedBy, most: usize) -> Vec<SubscriptionCount> {
        top_subscriptions::count(&self.core.shards, by, most, OffsetDateTime::now_utc()).await
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

    /// How long it took from the publish of an event until a subscriber had taken it, without those that
    /// [queued](crate::Offered::Queued) it. Subscribers that are served together have the same time.
    #[must_use]
    pub fn inline_latency(&self) -> Observed {
        self.core.times.inline.observed()
    }

    /// How long it took from the publish of an event until the last subscriber that it matched was offered it.
    #[must_use]
    pub fn fan_out_duration(&self) -> Observed {
        self.core.times.fan_out.observed()
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

    /// Identifies the run of the broker. It is the epoch of all positions that no [store](History::Log) gives.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.core.run
    }
}

#[cfg(test)]
pub(crate) mod tests;
