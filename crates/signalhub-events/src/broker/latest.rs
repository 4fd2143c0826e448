//! The events that were published last, for operators who ask who got one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use time::OffsetDateTime;

use crate::event::Event;
use crate::index::{Found, Serial};
use crate::name::EventName;
use crate::position::Position;
use crate::subscriber::{ClientName, SubscriberId};

/// How many events are remembered.
const EVENTS: usize = 100;

/// How many bytes of its publisher an event may have to be remembered whole: its names, its sender and its payload. All events together
/// hold at most 6.25 MiB of publishers.
const LARGEST: usize = 64 << 10;

/// How many of the subscribers that an event matched are remembered.
const SUBSCRIBERS: usize = 1_000;

/// One of the events that were published last.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LatestEvent {
    /// The event, as far as it is remembered.
    pub event: Arc<Event>,
    /// How much of it that is.
    pub extent: LatestExtent,
    /// How many bytes its payload had.
    pub payload_bytes: usize,
    /// Its position among the events of its name.
    pub position: Position,
    /// When it was published.
    pub published: OffsetDateTime,
    /// How many subscribers it matched.
    pub matched: usize,
}

/// How much of one of the [latest events](LatestEvent) is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatestExtent {
    /// The whole event.
    Whole,
    /// All but its sender and its payload, which are absent and empty: together with its names they have more than 64 KiB.
    WithoutContent,
}

/// The clients of the subscribers that an event matched when it was published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MatchedClients {
    /// Those that are still connected. A client with several subscribers is there once for each.
    pub clients: Vec<ClientName>,
    /// How many subscribers have ended since, or have no client.
    pub others: usize,
    /// How many subscribers are not remembered: the first 1 000 are.
    pub not_remembered: usize,
}

impl LatestEvent {
    pub(super) fn new(event: &Arc<Event>, position: Position, published: OffsetDateTime, matched: usize) -> Self {
        let payload_bytes = event.payload.len();
        let (event, extent) = if event.size() > LARGEST {
            // Only names are left, which have a limited length.
            let rest = Event { payload: Bytes::new(), sender: None, ..Event::clone(event) };
            (Arc::new(rest), LatestExtent::WithoutContent)
        } else {
            (Arc::clone(event), LatestExtent::Whole)
        };
        Self { event, extent, payload_bytes, position, published, matched }
    }
}

/// The latest events. It holds the numbers of their subscribers, not the subscribers: one that ends is freed.
///
/// Each event has a place with a lock of its own, so that publishers of different events do not wait for each other.
#[derive(Debug)]
pub(super) struct LatestEvents {
    places: [Mutex<Option<Entry>>; EVENTS],
    /// The number of the next event. It tells its place, too.
    next: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    latest: LatestEvent,
    subscribers: Remembered,
}

/// The first subscribers that an event matched.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered {
    pub(super) shard: usize,
    /// Tells a subscriber that was there when the event was published from a later one with the same number.
    pub(super) serial: Serial,
    pub(super) ids: Vec<SubscriberId>,
}

impl Default for LatestEvents {
    fn default() -> Self {
        Self { places: std::array::from_fn(|_| Mutex::default()), next: AtomicU64::default() }
    }
}

impl LatestEvents {
    /// Adds an event in place of the oldest one.
    pub(super) fn push(&self, latest: LatestEvent, shard: usize, serial: Serial, found: &[Found]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut place = lock(&self.places[(number % EVENTS as u64) as usize]);
        if place.as_ref().is_some_and(|entry| entry.number > number) {
            // Since the number was taken, others have published as many events as are remembered.
            return;
        }
        // The memory of the oldest one is used again.
        let mut ids = place.take().map(|entry| entry.subscribers.ids).unwrap_or_default();
        ids.clear();
        ids.extend(found.iter().take(SUBSCRIBERS).map(|found| found.id));
        *place = Some(Entry { number, latest, subscribers: Remembered { shard, serial, ids } });
    }

    /// Returns the events, the latest first.
    pub(super) fn all(&self) -> Vec<LatestEvent> {
        let numbered = |entry: &Entry| (entry.number, entry.latest.clone());
        let mut events: Vec<_> = self.places.iter().filter_map(|place| lock(place).as_ref().map(numbered)).collect();
        events.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        events.into_iter().map(|(_, latest)| latest).collect()
    }

    /// Finds the event of this name at this position, with its subscribers.
    pub(super) fn find(&self, name: &EventName, position: Position) -> Option<(LatestEvent, Remembered)> {
        self.places.iter().find_map(|place| {
            let place = lock(place);
            let entry = place.as_ref()?;
            let is_wanted = entry.latest.position == position && entry.latest.event.name == *name;
            is_wanted.then(|| (entry.latest.clone(), entry.subscribers.clone()))
        })
    }
}

fn lock(place: &Mutex<Option<Entry>>) -> MutexGuard<'_, Option<Entry>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
