//! The fan-out of one shard of event names: offers each event to the subscribers that it matched.
//!
//! A bit set holds the events of the batch that a subscriber has not been offered. An event that is published while others are being
//! offered joins the batch: subscribers that have not been served yet get it together with the rest of their share, so that a burst
//! costs each of them about one write. The fan-out never waits for more events.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::fan_out_times::{FanOutTimes, WrittenInline};
use super::tails::Tails;
use super::traced::{FanOutTracer, TracedFanOuts};
use crate::delivery::{Audience, Deliveries, Delivery};
use crate::index::Found;
use crate::shards::Shards;
use crate::subscriber::AttachedSubscriber;
use crate::subscriber::Offered;

/// How many subscribers are offered their events before the task yields.
const CHUNK: usize = 128;

/// How many of them are fetched into the cache together: enough to keep the memory busy, and few enough that they are still cached
/// when they are offered their events.
const PREFETCHED: usize = 8;

/// The most events of a batch: one for each bit.
const BATCH: usize = u64::BITS as usize;

/// The most sets of events in a batch that get a joint encoding. This limits the memory when there are many different sets.
const JOINED: usize = 8;

/// How many sets of events a batch remembers, to find those that several subscribers get.
const REMEMBERED: usize = 256;

/// An event, and the subscribers that it matched.
#[derive(Debug)]
pub(crate) struct Matched {
    pub(crate) delivery: Delivery,
    pub(crate) found: Vec<Found>,
    /// The bytes in flight that the event holds.
    pub(crate) in_flight: OwnedSemaphorePermit,
    /// Is told when they were offered the event, if the publisher waits for that.
    pub(crate) tracker: Option<oneshot::Sender<()>>,
}

/// Offers the events of its shard, to each subscriber in the order of publishing.
pub(crate) struct FanOut {
    shards: Arc<Shards>,
    tails: Arc<Tails>,
    events: mpsc::Receiver<Matched>,
    /// The events of the batch.
    batch: Vec<Arc<Delivery>>,
    /// The bytes in flight that the events of the batch hold, until the batch ends.
    in_flight: Vec<OwnedSemaphorePermit>,
    /// Those who are told when the batch ends.
    trackers: Vec<oneshot::Sender<()>>,
    /// Which subscribers still get which of them, in the order in which they are served.
    shares: VecDeque<Share>,
    /// How many subscribers have been served since the start.
    served: u64,
    /// For each subscriber id, the number of its latest share: how many shares were made before it.
    latest_shares: Vec<u64>,
    /// The sets of events that subscribers got. Those that several got are put together once.
    sets: HashMap<u64, Option<Arc<Deliveries>>>,
    /// The set that was put together or found last: the next subscriber mostly gets the same one.
    latest_set: Option<(u64, Arc<Deliveries>)>,
    /// For how many of these sets the deliveries are put together.
    joined: usize,
    /// How many events were offered to all subscribers that they matched, since the start.
    offered: Arc<AtomicU64>,
    times: Arc<FanOutTimes>,
    /// How many subscribers have taken each event since their time was last observed.
    inline: WrittenInline,
    traced: TracedFanOuts,
}

/// The events of a batch that one subscriber gets.
struct Share {
    attached: Arc<AttachedSubscriber>,
    /// Bit n stands for the nth event of the batch.
    events: u64,
}

impl FanOut {
    /// Counts in `offered` the events that were offered to all subscribers that they matched.
    pub(crate) fn new(
        shards: Arc<Shards>,
        (tails, times): (Arc<Tails>, Arc<FanOutTimes>),
        events: mpsc::Receiver<Matched>,
        offered: Arc<AtomicU64>,
    ) -> Self {
        let (batch, in_flight, shares, latest_shares) = (Vec::new(), Vec::new(), VecDeque::new(), Vec::new());
        let (trackers, sets) = (Vec::new(), HashMap::new());
        Self {
            shards,
            tails,
            events,
            batch,
            in_flight,
            trackers,
            shares,
            served: 0,
            latest_shares,
            sets,
            latest_set: None,
            joined: 0,
            offered,
            times,
            inline: WrittenInline::default(),
            traced: TracedFanOuts::new(None),
        }
    }

    /// Sets what records the fan-outs of events whose trace is sampled.
    pub(crate) fn traced_by(self, tracer: Option<Arc<dyn FanOutTracer>>) -> Self {
        Self { traced: TracedFanOuts::new(tracer), ..self }
    }

    /// Runs until no more events can come.
    pub(crate) async fn run(mut self) {
        while let Some(event) = self.events.recv().await {
            self.admit(event);
            loop {
                // Publishers that are about to run come first.
                tokio::task::yield_now().await;
                self.admit_waiting();
                let is_over = !self.serve_chunk();
                // One clock for all deliveries of the chunk, and for the end of the batch.
                let now = Instant::now();
                self.times.observe_inline(&mut self.inline, &self.batch, now);
                if is_over {
                    self.times.observe_fan_out(&self.batch, now);
                    break;
                }
            }
            // The release makes all that was sent before visible to a thread that acquires the count.
            self.offered.fetch_add(self.batch.len() as u64, Ordering::Release);
            self.batch.clear();
            self.traced.clear();
            self.in_flight.clear();
            for tracker in self.trackers.drain(..) {
                // The publisher may no longer wait.
                let _ = tracker.send(());
            }
            self.sets.clear();
            self.latest_set = None;
            self.joined = 0;
        }
    }

    /// Adds the events that arrived meanwhile to the batch, as far as it has room.
    fn admit_waiting(&mut self) {
        while self.batch.len() < BATCH
            && let Ok(event) = self.events.try_recv()
        {
            self.admit(event);
        }
    }

    fn admit(&mut self, Matched { delivery, found, in_flight, tracker }: Matched) {
        if self.tails.is_any_open() {
            self.tails.show(delivery.event(), delivery.position(), &found);
        }
        let bit = 1 << self.batch.len();
        self.traced.admit(bit, delivery.event(), delivery.position(), found.len());
        self.in_flight.push(in_flight);
        self.trackers.extend(tracker);
        self.batch.push(Arc::new(delivery));
        for Found { id, attached } in found {
            let id = id.number();
            if id >= self.latest_shares.len() {
                self.latest_shares.resize(id + 1, 0);
            }
            let latest = &mut self.latest_shares[id];
            let waiting = latest.checked_sub(self.served).and_then(|ahead| self.shares.get_mut(ahead as usize));
            match waiting {
                // The id may have been given to another subscriber since.
                Some(share) if Arc::ptr_eq(&share.attached, &attached) => share.events |= bit,
                _ => {
                    *latest = self.served + self.shares.len() as u64;
                    self.shares.push_back(Share { attached, events: bit });
                }
            }
        }
    }

    /// Offers some subscribers their shares; `false` when all have been served.
    fn serve_chunk(&mut self) -> bool {
        for turn in 0..CHUNK {
            if turn.is_multiple_of(PREFETCHED) {
                let next = self.shares.iter().take(PREFETCHED);
                // A subscriber whose prefetch panics is served all the same.
                drop(catch_unwind(AssertUnwindSafe(|| next.for_each(|share| share.attached.prefetch()))));
            }
            let Some(Share { attached, events }) = self.shares.pop_front() else { return false };
            self.served += 1;
            let offered = if events.is_power_of_two() {
                let delivery = &self.batch[events.trailing_zeros() as usize];
                guard(|| attached.offer(delivery))
            } else {
                let deliveries = self.deliveries(events);
                guard(|| attached.offer_all(&deliveries))
            };
            self.traced.offered(events);
            match offered {
                Some(Offered::Accepted) => self.inline.add(events),
                Some(Offered::Queued) => {}
                Some(Offered::Refused) | None => self.shards.end(&attached),
            }
        }
        !self.shares.is_empty()
    }

    /// The deliveries of a set of events. A set that comes again is put together once for all that get it.
    fn deliveries(&mut self, events: u64) -> Arc<Deliveries> {
        if let Some((latest, deliveries)) = &self.latest_set
            && *latest == events
        {
            return Arc::clone(deliveries);
        }
        let remembered = self.sets.len();
        let batch = &self.batch;
        let of = |audience| {
            let chosen = (0..batch.len()).filter(|n| events >> n & 1 == 1).map(|n| Arc::clone(&batch[n]));
            Arc::new(Deliveries::new(chosen.collect(), audience))
        };
        match self.sets.entry(events) {
            Entry::Occupied(mut set) => match set.get_mut() {
                Some(deliveries) => Arc::clone(&self.latest_set.insert((events, Arc::clone(deliveries))).1),
                none if self.joined < JOINED => {
                    self.joined += 1;
                    let deliveries = none.insert(of(Audience::Several));
                    Arc::clone(&self.latest_set.insert((events, Arc::clone(deliveries))).1)
                }
                _ => of(Audience::One),
            },
            Entry::Vacant(set) => {
                if remembered < REMEMBERED {
                    set.insert(None);
                }
                of(Audience::One)
            }
        }
    }
}

/// Calls a subscriber. `None` if it panicked: only its own subscriptions end then.
fn guard<T>(call: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call));
    result.inspect_err(|_| tracing::error!("a subscriber panicked, its subscriptions end")).ok()
}
