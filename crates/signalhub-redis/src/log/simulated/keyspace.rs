//! The keys of a simulated server, and what its scripts do with them.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use signalhub_events::{Epoch, EventId, EventName, Fingerprint, Position};

use crate::dataset::DatasetId;
use crate::log::fork::Seen;
use crate::log::script::SEARCHED;
use crate::log::streams::{NamesCursor, PublishAnswer, PublishCall, Range, RawEntry};
use crate::log::write::WriteId;

/// The keys of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::log) struct Keyspace {
    dataset: Option<DatasetId>,
    /// The epoch, the offset of the latest event, and its write.
    meta: BTreeMap<EventName, (Epoch, u64, Option<WriteId>)>,
    events: BTreeMap<EventName, Vec<RawEntry>>,
    keys: BTreeMap<String, PublishAnswer>,
    names: Vec<(NamesCursor, EventName)>,
    /// All events that were written, those that were removed since too, but not those that were lost. A real server does not have this.
    written: HashSet<(Position, EventId)>,
}

impl Keyspace {
    pub(in crate::log) fn dataset(&mut self, new: DatasetId) -> DatasetId {
        *self.dataset.get_or_insert(new)
    }

    /// Takes what identifies the data from another server.
    pub(in crate::log) fn identify(&mut self, dataset: Option<DatasetId>) {
        self.dataset = dataset;
    }

    /// Runs the publish script.
    pub(in crate::log) fn publish(&mut self, call: &PublishCall, now: u64) -> PublishAnswer {
        let key = match &call.key {
            Some((key, _)) => format!("{key:?}"),
            None => call.id.to_string(),
        };
        if let Some(known) = self.keys.get(&key) {
            return *known;
        }
        let fingerprint = call.key.map_or(Fingerprint::new(0), |(_, fingerprint)| fingerprint);
        let floor_epoch = call.floor.map(|floor| floor.epoch());
        let mut floor = call.floor.map_or(0, |floor| floor.offset());
        let mut meta = self.meta.get(&call.name).copied();
        let repeated = call.attempt.is_repeated();
        let entries = self.events.entry(call.name.clone()).or_default();
        if repeated && let Some(answer) = find_earlier_attempt(meta, entries, call) {
            return answer;
        }
        if meta.is_some_and(|(epoch, ..)| Some(epoch) != floor_epoch) {
            floor = 0;
        }
        let at_floor = entries.iter().find(|entry| entry.offset == floor && floor > 0).map(|entry| entry.write);
        let mut forked = meta.is_some_and(|(_, top, _)| top >= floor)
            && call.tail.is_some_and(|tail| at_floor.is_some_and(|found| found != tail));
        if meta.is_none_or(|(_, top, _)| top < floor) || forked {
            if repeated {
                return PublishAnswer::Unknown;
            }
            forked = meta.is_some() || floor_epoch.is_some();
            entries.clear();
            let first = self.dataset.filter(|_| !forked).map(|dataset| Epoch::new(dataset.get()));
            meta = Some((first.unwrap_or(call.new_epoch), 0, None));
            self.names.push((next_name(&self.names, now), call.name.clone()));
        }
        let (epoch, top, _) = meta.unwrap_or((call.new_epoch, 0, None));
        let offset = top + 1;
        let write = WriteId { event: call.id, attempt: call.attempt };
        self.meta.insert(call.name.clone(), (epoch, offset, Some(write)));
        let entry = RawEntry { offset, version: "1".into(), write, epoch, data: Bytes::from(call.entry.clone()) };
        self.events.entry(call.name.clone()).or_default().push(entry);
        let position = Position::new(epoch, offset);
        self.written.insert((position, call.id));
        if call.key.is_some() || repeated {
            self.keys.insert(key, PublishAnswer::Duplicate { position, id: call.id, fingerprint });
        }
        if forked { PublishAnswer::Forked { position } } else { PublishAnswer::Published { position } }
    }

    pub(in crate::log) fn reset(&mut self, name: &EventName, seen: Option<Epoch>, new: Epoch, now: u64) -> Epoch {
        let epoch = self.meta.get(name).map(|(epoch, ..)| *epoch);
        if let Some(epoch) = epoch
            && Some(epoch) != seen
        {
            return epoch;
        }
        self.events.remove(name);
        self.meta.insert(name.clone(), (new, 0, None));
        self.names.push((next_name(&self.names, now), name.clone()));
        new
    }

    pub(in crate::log) fn check(&self, name: &EventName, offset: u64) -> Seen {
        let entries = self.events.get(name).map_or(&[][..], Vec::as_slice);
        let meta = self.meta.get(name);
        let latest = meta.filter(|(_, top, _)| *top == offset).and_then(|(_, _, write)| *write);
        Seen {
            epoch: meta.map(|(epoch, ..)| *epoch),
            top: meta.map_or(0, |(_, top, _)| *top),
            at_cursor: entries.iter().find(|entry| entry.offset == offset).map(|entry| entry.write).or(latest),
            first: entries.first().map(|entry| entry.offset),
        }
    }

    pub(in crate::log) fn range(&self, name: &EventName, after: u64, through: u64, most: usize) -> Range {
        let entries = self.events.get(name).map_or(&[][..], Vec::as_slice);
        let wanted = entries.iter().filter(|entry| entry.offset > after && entry.offset <= through);
        Range { entries: wanted.take(most).cloned().collect(), first: entries.first().map(|entry| entry.offset) }
    }

    pub(in crate::log) fn names_behind(&self, after: NamesCursor) -> Vec<(NamesCursor, EventName)> {
        self.names.iter().filter(|(cursor, _)| *cursor > after).cloned().collect()
    }

    pub(in crate::log) fn has_written(&self, position: Position, id: EventId) -> bool {
        self.written.contains(&(position, id))
    }

    /// Keeps the latest events of a name.
    pub(in crate::log) fn keep(&mut self, name: &EventName, count: usize) {
        if let Some(entries) = self.events.get_mut(name) {
            entries.drain(..entries.len().saturating_sub(count));
        }
    }

    pub(in crate::log) fn remove_events(&mut self, name: &EventName) {
        self.events.remove(name);
    }

    pub(in crate::log) fn remove_meta(&mut self, name: &EventName) {
        self.meta.remove(name);
    }
}

/// The answer of the publish script to a repeat, unless it is certain that no earlier attempt was written.
fn find_earlier_attempt(
    meta: Option<(Epoch, u64, Option<WriteId>)>,
    entries: &[RawEntry],
    call: &PublishCall,
) -> Option<PublishAnswer> {
    let Some((epoch, top, _)) = meta else { return Some(PublishAnswer::Unknown) };
    let floor = call.floor.map_or(0, |floor| floor.offset());
    if call.floor.map_or(call.first_epoch, |floor| floor.epoch()) != epoch
        || top < floor
        || top - floor > SEARCHED as u64
    {
        return Some(PublishAnswer::Unknown);
    }
    let behind: Vec<_> = entries.iter().filter(|entry| entry.offset > floor).collect();
    if let Some(found) = behind.iter().find(|entry| entry.write.event == call.id) {
        let fingerprint = call.key.map_or(Fingerprint::new(0), |(_, fingerprint)| fingerprint);
        return Some(PublishAnswer::Duplicate {
            position: Position::new(epoch, found.offset),
            id: call.id,
            fingerprint,
        });
    }
    ((behind.len() as u64) < top - floor).then_some(PublishAnswer::Unknown)
}

fn next_name(names: &[(NamesCursor, EventName)], now: u64) -> NamesCursor {
    match names.last() {
        Some((last, _)) if last.millis >= now => NamesCursor { number: last.number + 1, ..*last },
        _ => NamesCursor { millis: now, number: 0 },
    }
}
