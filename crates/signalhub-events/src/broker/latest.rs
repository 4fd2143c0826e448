//! The events that were published last, for operators who ask who got one.

use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::event::Event;
use crate::index::{Found, Serial};
use crate::name::EventName;
use crate::position::Position;
use crate::subscriber::{ClientName, SubscriberId};

/// How many events are remembered.
const EVENTS: usize = 100;

/// The longest payload that is remembered, in bytes. All events together hold at most 6.25 MiB of payloads.
const LONGEST_PAYLOAD: usize = 64 << 10;

/// How many of the subscribers that an event matched are remembered.
const SUBSCRIBERS: usize = 1_000;

/// One of the events that were published last.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LatestEvent {
    /// The event. Its payload is empty if it was longer than 64 KiB.
    pub event: Arc<Event>,
    /// How many bytes its payload had.
    pub payload_bytes: usize,
    /// Its position among the events of its name.
    pub position: Position,
    /// When it was published.
    pub published: OffsetDateTime,
    /// How many subscribers it matched.
    pub matched: usize,
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
        let event = match payload_bytes > LONGEST_PAYLOAD {
            true => Arc::new(Event { payload: Bytes::new(), ..Event::clone(event) }),
            false => Arc::clone(event),
        };
        Self { event, payload_bytes, position, published, matched }
    }
}

/// The latest events. It holds the numbers of their subscribers, not the subscribers: one that ends is freed.
#[derive(Debug, Default)]
pub(super) struct LatestEvents {
    /// When it is full, the oldest entry is overwritten, and its memory is used again.
    entries: Vec<Entry>,
    /// The place of the next event.
    next: usize,
}

#[derive(Debug)]
struct Entry {
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

impl LatestEvents {
    /// Adds an event, and removes the oldest one if there is no room beside it.
    pub(super) fn push(&mut self, latest: LatestEvent, shard: usize, serial: Serial, found: &[Found]) {
        if self.next == self.entries.len() {
            self.entries.push(Entry { latest, subscribers: Remembered::default() });
        } else {
            self.entries[self.next].latest = latest;
        }
        let subscribers = &mut self.entries[self.next].subscribers;
        (subscribers.shard, subscribers.serial) = (shard, serial);
        subscribers.ids.clear();
        subscribers.ids.extend(found.iter().take(SUBSCRIBERS).map(|found| found.id));
        self.next += 1;
        if self.next == EVENTS {
            self.next = 0;
        }
    }

    /// Returns the events, the latest first.
    pub(super) fn all(&self) -> Vec<LatestEvent> {
        let (later, earlier) = self.entries.split_at(self.next);
        later.iter().rev().chain(earlier.iter().rev()).map(|entry| entry.latest.clone()).collect()
    }

    /// Finds the event of this name at this position, with its subscribers.
    pub(super) fn find(&self, name: &EventName, position: Position) -> Option<(LatestEvent, Remembered)> {
        let is_wanted = |latest: &LatestEvent| latest.position == position && latest.event.name == *name;
        let entry = self.entries.iter().find(|entry| is_wanted(&entry.latest))?;
        Some((entry.latest.clone(), entry.subscribers.clone()))
    }
}

#[cfg(test)]
mod tests;
