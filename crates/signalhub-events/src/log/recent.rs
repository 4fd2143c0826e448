//! The history in memory: the latest events of each name.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{HistoryCounts, Page};
use crate::event::Event;
use crate::name::EventName;

/// How much is kept in memory. Whichever limit is reached first holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryLimits {
    /// How much is kept of each name that has no limits of its own. Default: 1 000 events, 4 MiB, one hour.
    pub each: NameLimits,
    /// The limits of names that have others.
    pub overrides: HashMap<EventName, NameLimits>,
    /// How many bytes the kept events of all names may take together; the oldest are removed first. Default: 64 MiB.
    pub total_bytes: usize,
    /// How many undeclared names have a history. The events of further ones are published without one. Default: 1 024.
    pub names: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            each: NameLimits { events: 1_000, bytes: 4 << 20, age: Duration::from_secs(60 * 60) },
            overrides: HashMap::new(),
            total_bytes: 64 << 20,
            names: 1_024,
        }
    }
}

/// How much is kept of one name. The limit that is reached first holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameLimits {
    /// How many events are kept.
    pub events: u64,
    /// How many bytes they may take.
    pub bytes: u64,
    /// How long an event is kept.
    pub age: Duration,
}

impl HistoryLimits {
    fn of(&self, name: &EventName) -> NameLimits {
        *self.overrides.get(name).unwrap_or(&self.each)
    }
}

/// What an event takes in memory beside its content: itself and its entry, with the counters of the allocation.
const BESIDE_CONTENT: usize = size_of::<Event>() + size_of::<Entry>() + 2 * size_of::<usize>();

/// Keeps the latest events of each name. It has no clock of its own.
#[derive(Debug)]
pub(crate) struct Recent {
    limits: HistoryLimits,
    names: HashMap<EventName, usize>,
    rings: Vec<Ring>,
    /// Of each ring that is not empty, the sequence number of its first event, and its index: the first of them is the oldest event.
    oldest: BTreeMap<u64, usize>,
    /// The sequence number of the next event, among those of all names.
    sequence: u64,
    undeclared: usize,
    counts: HistoryCounts,
}

/// The events of one name. It stays when its last event is removed, so that its positions stay known.
#[derive(Debug)]
struct Ring {
    limits: NameLimits,
    entries: VecDeque<Entry>,
    /// No event of this offset or a higher one was removed.
    first: u64,
    /// The offset of the latest event.
    top: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    offset: u64,
    sequence: u64,
    at: Instant,
    event: Arc<Event>,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.event.size() + BESIDE_CONTENT
    }
}

/// Whether the catalogue has the name of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// Whether an event had expired when it was published. It takes an offset all the same, and is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    Yes,
    No,
}

impl Recent {
    /// Keeps what is read most: the latest events of each name that a store has as well.
    pub(crate) fn tail() -> Self {
        let each = NameLimits { events: 256, bytes: 1 << 20, age: Duration::MAX };
        Self::new(HistoryLimits { each, names: usize::MAX, ..HistoryLimits::default() })
    }

    pub(crate) fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            names: HashMap::new(),
            rings: Vec::new(),
            oldest: BTreeMap::new(),
            sequence: 0,
            undeclared: 0,
            counts: HistoryCounts::default(),
        }
    }

    /// Forgets the events of a name, and continues behind this offset.
    pub(crate) fn restart(&mut self, name: &EventName, top: u64) {
        let Some(number) = self.ring(name, || Declared::Yes) else { return };
        while !self.rings[number].entries.is_empty() {
            self.remove_first(number);
        }
        (self.rings[number].first, self.rings[number].top) = (top + 1, top);
    }

    /// Adds an event behind all others of its name, and removes those that the limits no longer permit.
    pub(crate) fn push(
        &mut self,
        event: &Arc<Event>,
        offset: u64,
        expired: Expired,
        declared: impl FnOnce() -> Declared,
        now: Instant,
    ) {
        let Some(number) = self.ring(&event.name, declared) else {
            self.counts.unrecorded += 1;
            return;
        };
        let ring = &mut self.rings[number];
        ring.top = offset;
        if expired == Expired::No {
            let entry = Entry { offset, sequence: self.sequence, at: now, event: Arc::clone(event) };
            self.sequence += 1;
            if ring.entries.is_empty() {
                self.oldest.insert(entry.sequence, number);
            }
            ring.bytes += entry.bytes();
            self.counts.bytes += entry.bytes() as u64;
            self.counts.events += 1;
            ring.entries.push_back(entry);
        }
        self.trim(number, now);
        while self.counts.bytes > self.limits.total_bytes as u64
            && let Some((_, number)) = self.oldest.first_key_value()
        {
            self.remove_first(*number);
            self.counts.trimmed_by_total += 1;
        }
    }

    /// The ring of a name; `None` if the name is undeclared and there are too many of them.
    fn ring(&mut self, name: &EventName, declared: impl FnOnce() -> Declared) -> Option<usize> {
        if let Some(number) = self.names.get(name) {
            return Some(*number);
        }
        if declared() == Declared::No {
            if self.undeclared >= self.limits.names {
                return None;
            }
            self.undeclared += 1;
        }
        let number = self.rings.len();
        let limits = self.limits.of(name);
        self.rings.push(Ring { limits, entries: VecDeque::new(), first: 1, top: 0, bytes: 0 });
        self.names.insert(name.clone(), number);
        self.counts.names += 1;
        Some(number)
    }

    /// Removes the events of one name that its limits no longer permit.
    fn trim(&mut self, number: usize, now: Instant) {
        loop {
            let ring = &self.rings[number];
            let Some(first) = ring.entries.front() else { return };
            let count = if ring.entries.len() as u64 > ring.limits.events {
                &mut self.counts.trimmed_by_events
            } else if ring.bytes as u64 > ring.limits.bytes {
                &mut self.counts.trimmed_by_bytes
            } else if now.duration_since(first.at) > ring.limits.age {
                &mut self.counts.trimmed_by_age
            } else {
                return;
            };
            *count += 1;
            self.remove_first(number);
        }
    }

    fn remove_first(&mut self, number: usize) {
        let ring = &mut self.rings[number];
        let Some(entry) = ring.entries.pop_front() else { return };
        ring.first = entry.offset + 1;
        ring.bytes -= entry.bytes();
        self.counts.bytes -= entry.bytes() as u64;
        self.counts.events -= 1;
        self.oldest.remove(&entry.sequence);
        if let Some(next) = ring.entries.front() {
            self.oldest.insert(next.sequence, number);
        }
        // A name that was busy once does not keep the room for it.
        if ring.entries.len() < ring.entries.capacity() / 4 {
            ring.entries.shrink_to(ring.entries.len() * 2);
        }
    }

    /// The lowest offset from which on every event of a name is kept, and the offset of its latest event; `None` if it has no history.
    pub(crate) fn bounds(
        &mut self,
        name: &EventName,
        declared: impl FnOnce() -> Declared,
        now: Instant,
    ) -> Option<(u64, u64)> {
        let Some(number) = self.names.get(name).copied() else {
            // A name that still may get a history has had no event yet: nothing of it is missing.
            let may_get_one = self.undeclared < self.limits.names || declared() == Declared::Yes;
            return may_get_one.then_some((1, 0));
        };
        self.trim(number, now);
        let Ring { first, top, .. } = self.rings[number];
        Some((first, top))
    }

    /// Reads at most `most` events of a name behind the offset `after`.
    pub(crate) fn read(&mut self, name: &EventName, after: u64, most: usize, now: Instant) -> Page {
        let Some(number) = self.names.get(name).copied() else { return Page::empty(after) };
        self.trim(number, now);
        let ring = &self.rings[number];
        let start = ring.entries.partition_point(|entry| entry.offset <= after);
        let events: Vec<_> =
            ring.entries.range(start..).take(most).map(|entry| (entry.offset, Arc::clone(&entry.event))).collect();
        let through = match events.last() {
            Some((offset, _)) if events.len() == most => *offset,
            _ => ring.top,
        };
        Page { events, first: ring.first, through }
    }

    pub(crate) fn counts(&self) -> HistoryCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
