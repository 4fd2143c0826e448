//! The subscription index of one shard: finds the subscribers of an event.
//!
//! Subscribers that want the same events are in the same bucket. Finding the subscribers of an event takes at most four look-ups,
//! regardless of the number of subscriptions: any resource or that of the event, times any action or that of the event, for one
//! organisation. A subscription of a subscriber with an organisation is in two buckets: that of its organisation, for the events of
//! that organisation, and the common one, for the events without an organisation.

mod key;
mod last_minute;
mod slab;
mod symbols;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::action::Action;
use crate::event::Event;
use crate::filter::Filter;
use crate::name::{EventName, Organisation};
use crate::scope::{Grants, Scope};
use crate::subscriber::{AttachedSubscriber, SubscriberId};
use key::Key;
use last_minute::{LastMinute, Minute};
use slab::Slab;
use symbols::{Symbol, Symbols};

/// The result of adding a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Added {
    /// The filter is new.
    New,
    /// The subscriber had it already.
    AlreadyThere,
}

/// A subscriber that an event goes to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: SubscriberId,
    pub(crate) attached: Arc<AttachedSubscriber>,
}

/// The number of an event among those that an index was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Serial(u64);

/// Finds the subscribers of an event.
#[derive(Debug, Default)]
pub(crate) struct Index {
    symbols: Symbols,
    numbers: HashMap<Key, u32>,
    buckets: Slab<Bucket>,
    subscribers: Slab<SubscriberEntry>,
    /// The serial of the latest event; a subscriber that was found for it has the serial as its mark.
    serial: Serial,
    subscriptions: usize,
}

#[derive(Debug)]
struct Bucket {
    key: Key,
    members: Vec<u32>,
    /// How many members have the organisation of the bucket. The others have their subscription in another bucket as well.
    own: u32,
    /// How many members were found for events.
    matched: LastMinute,
}

#[derive(Debug)]
struct SubscriberEntry {
    attached: Arc<AttachedSubscriber>,
    organisation: Option<Symbol>,
    /// A copy of those of the scope, because every event that the subscriber may want is checked against them.
    grants: Grants,
    mark: Serial,
    /// The latest event when it was inserted: it was not there for it and for those before.
    inserted: Serial,
    /// For each bucket that it is in, its index among the members there, so that leaving one takes no search.
    member_indexes: HashMap<u32, u32>,
    /// The bytes of the names in its subscriptions.
    name_bytes: usize,
}

impl Index {
    /// Adds a subscriber without subscriptions.
    pub(crate) fn insert(&mut self, attached: Arc<AttachedSubscriber>, scope: &Scope) -> SubscriberId {
        let organisation = scope.organisation().map(|name| self.symbols.acquire(name.as_str()));
        let grants = scope.grants().clone();
        SubscriberId(self.subscribers.insert(SubscriberEntry {
            attached,
            organisation,
            grants,
            mark: Serial::default(),
            inserted: self.serial,
            member_indexes: HashMap::new(),
            name_bytes: 0,
        }))
    }

    /// Puts another subscriber in the place of one.
    pub(crate) fn replace(&mut self, id: SubscriberId, attached: Arc<AttachedSubscriber>) {
        if let Some(entry) = self.subscribers.get_mut(id.0) {
            entry.attached = attached;
        }
    }

    /// Gives a subscriber other grants, ends its subscriptions that they do not permit, and adds these to `ended`.
    pub(crate) fn set_grants(&mut self, id: SubscriberId, grants: &Grants, ended: &mut Vec<Filter>) {
        let Some(known) = self.subscribers.get_mut(id.0) else { return };
        known.grants = grants.clone();
        let Some(known) = self.subscribers.get(id.0) else { return };
        let (organisation, buckets) = (known.organisation, known.member_indexes.keys());
        let buckets = buckets.filter_map(|number| self.buckets.get(*number).map(|bucket| (*number, bucket.key)));
        let lost: Vec<(u32, Key, Option<Filter>)> = buckets
            .map(|(number, key)| (number, key, key.filter(&self.symbols)))
            .filter(|(.., filter)| filter.as_ref().is_none_or(|filter| !grants.overlaps(filter)))
            .collect();
        for (number, key, filter) in lost {
            self.leave(id.0, number);
            // Of the two buckets of a subscription, one is counted.
            if key.organisation == organisation {
                self.subscriptions -= 1;
                ended.extend(filter);
            }
        }
    }

    /// Removes a subscriber and its subscriptions.
    pub(crate) fn evict(&mut self, id: SubscriberId) {
        self.subscriptions -= self.len_of(id);
        let buckets: Vec<u32> =
            self.subscribers.get(id.0).map(|s| s.member_indexes.keys().copied().collect()).unwrap_or_default();
        for bucket in buckets {
            self.leave(id.0, bucket);
        }
        if let Some(SubscriberEntry { organisation: Some(organisation), .. }) = self.subscribers.remove(id.0) {
            self.symbols.release(organisation);
        }
    }

    /// Adds a subscription; adding it twice changes nothing.
    pub(crate) fn add(&mut self, id: SubscriberId, filter: &Filter) -> Added {
        let Some(organisation) = self.subscribers.get(id.0).map(|subscriber| subscriber.organisation) else {
            return Added::AlreadyThere;
        };
        let event = self.symbols.acquire(filter.event.as_str());
        let resource = filter.resource.as_ref().map(|name| self.symbols.acquire(name.as_str()));
        let key = Key { event, organisation, resource, action: filter.action };
        let added = self.join(id.0, key);
        if organisation.is_some() {
            self.join(id.0, Key { organisation: None, ..key });
        }
        // By now the buckets refer to the names themselves.
        self.symbols.release(event);
        if let Some(resource) = resource {
            self.symbols.release(resource);
        }
        self.subscriptions += usize::from(added == Added::New);
        added
    }

    /// Removes the subscriptions that the filter covers and counts them.
    pub(crate) fn remove(&mut self, id: SubscriberId, filter: &Filter) -> usize {
        let covered = self.covered(id, filter).unwrap_or_default();
        for key in &covered {
            // Both are the same bucket for a subscriber without organisation, and leaving twice does nothing.
            for key in [*key, Key { organisation: None, ..*key }] {
                if let Some(bucket) = self.numbers.get(&key) {
                    self.leave(id.0, *bucket);
                }
            }
        }
        self.subscriptions -= covered.len();
        covered.len()
    }

    /// Collects the subscribers that want the event and may see it, each once.
    pub(crate) fn matching(&mut self, event: &Event, now: OffsetDateTime, found: &mut Vec<Found>) -> Serial {
        self.serial.0 += 1;
        let minute = Minute::of(now);
        for key in Key::wanting(event, &self.symbols).into_iter().flatten().flatten() {
            let Some(bucket) = self.numbers.get(&key).and_then(|number| self.buckets.get_mut(*number)) else {
                continue;
            };
            let before = found.len();
            for number in &bucket.members {
                let Some(subscriber) = self.subscribers.get_mut(*number) else {
                    continue;
                };
                if subscriber.mark == self.serial {
                    continue;
                }
                subscriber.mark = self.serial;
                // The bucket is for the organisation of the event, so only the grants are left to ask.
                if subscriber.grants.allows(event) {
                    found.push(Found { id: SubscriberId(*number), attached: subscriber.attached.clone() });
                }
            }
            bucket.matched.add(minute, found.len() - before);
        }
        self.serial
    }

    /// Counts the subscribers that want the event and may see it, each once. It counts as no event.
    pub(crate) fn count_matching(&mut self, event: &Event) -> usize {
        self.serial.0 += 1;
        let mut count = 0;
        for key in Key::wanting(event, &self.symbols).into_iter().flatten().flatten() {
            let bucket = self.numbers.get(&key).and_then(|number| self.buckets.get_mut(*number));
            for number in bucket.into_iter().flat_map(|bucket| &bucket.members) {
                let Some(subscriber) = self.subscribers.get_mut(*number) else { continue };
                if subscriber.mark != self.serial {
                    subscriber.mark = self.serial;
                    count += usize::from(subscriber.grants.allows(event));
                }
            }
        }
        count
    }

    /// Returns a subscriber that was found for an event, unless it has ended since.
    pub(crate) fn found(&self, id: SubscriberId, serial: Serial) -> Option<Arc<AttachedSubscriber>> {
        let subscriber = self.subscribers.get(id.0).filter(|subscriber| subscriber.inserted < serial)?;
        Some(Arc::clone(&subscriber.attached))
    }

    /// Returns the subscribers with `count` numbers from `from` on; `None` if there are no such numbers.
    pub(crate) fn subscribers(
        &self,
        from: usize,
        count: usize,
    ) -> Option<Vec<(SubscriberId, Arc<AttachedSubscriber>)>> {
        let subscribers = self.subscribers.some(from, count)?;
        Some(subscribers.map(|(id, entry)| (SubscriberId(id), Arc::clone(&entry.attached))).collect())
    }

    /// Returns what a subscriber may see, and its filters, unless it has ended.
    pub(crate) fn describe(
        &self,
        id: SubscriberId,
        attached: &Arc<AttachedSubscriber>,
    ) -> Option<(Scope, Vec<Filter>)> {
        let known = self.subscribers.get(id.0).filter(|known| Arc::ptr_eq(&known.attached, attached))?;
        let organisation = known.organisation.and_then(|organisation| self.symbols.name(organisation));
        let scope = Scope::new(organisation.map(Organisation::new), known.grants.clone());
        let mut filters = Vec::new();
        self.filters_of(id, &mut filters);
        Some((scope, filters))
    }

    /// Calls a function with the names of `count` buckets from the number `from` on: how many subscriptions each has, and how many
    /// subscribers were found there in about the last minute. `false` if there are no such numbers.
    pub(crate) fn each_bucket(
        &self,
        from: usize,
        count: usize,
        now: OffsetDateTime,
        mut call: impl FnMut(Arc<str>, Option<Arc<str>>, u64, f64),
    ) -> bool {
        let Some(buckets) = self.buckets.some(from, count) else { return false };
        for (_, bucket) in buckets {
            let Some(event) = self.symbols.name(bucket.key.event) else { continue };
            let resource = bucket.key.resource.and_then(|resource| self.symbols.name(resource));
            call(event, resource, u64::from(bucket.own), bucket.matched.estimate(now));
        }
        true
    }

    /// Counts the subscriptions of a subscriber.
    pub(crate) fn len_of(&self, id: SubscriberId) -> usize {
        self.subscribers.get(id.0).map_or(0, |subscriber| {
            subscriber.member_indexes.len() / if subscriber.organisation.is_some() { 2 } else { 1 }
        })
    }

    /// Adds the filters of a subscriber to a list.
    pub(crate) fn filters_of(&self, id: SubscriberId, filters: &mut Vec<Filter>) {
        let Some(known) = self.subscribers.get(id.0) else { return };
        let keys = known.member_indexes.keys().filter_map(|number| Some(self.buckets.get(*number)?.key));
        // Of the two buckets of a subscription, one is counted.
        filters.extend(
            keys.filter(|key| key.organisation == known.organisation).filter_map(|key| key.filter(&self.symbols)),
        );
    }

    /// Tells whether a subscriber has a subscription to the event.
    pub(crate) fn has_event(&self, id: SubscriberId, event: &EventName) -> bool {
        self.covered(id, &Filter::new(event.clone())).is_some_and(|covered| !covered.is_empty())
    }

    /// Counts the bytes of the names in the subscriptions of a subscriber.
    pub(crate) fn name_bytes_of(&self, id: SubscriberId) -> usize {
        self.subscribers.get(id.0).map_or(0, |subscriber| subscriber.name_bytes)
    }

    /// Tells whether there is a subscription to the event.
    pub(crate) fn knows(&self, event: &EventName) -> bool {
        self.symbols.find(event.as_str()).is_some()
    }

    /// Counts all subscriptions.
    pub(crate) fn len(&self) -> usize {
        self.subscriptions
    }

    /// Returns the subscriptions of a subscriber that the filter covers; `None` if no subscriber has used its names.
    fn covered(&self, id: SubscriberId, filter: &Filter) -> Option<Vec<Key>> {
        let subscriber = self.subscribers.get(id.0)?;
        let event = self.symbols.find(filter.event.as_str())?;
        let Some(resource) = &filter.resource else {
            let keys = subscriber
                .member_indexes
                .keys()
                .filter_map(|number| self.buckets.get(*number))
                .map(|bucket| bucket.key);
            let own = keys.filter(|key| key.event == event && key.organisation == subscriber.organisation);
            return Some(own.filter(|key| filter.action.is_none() || key.action == filter.action).collect());
        };
        // With a resource there are few candidates: they are looked up, however many subscriptions the subscriber has.
        let resource = Some(self.symbols.find(resource.as_str())?);
        let actions = std::iter::once(None).chain(Action::ALL.map(Some));
        let actions = actions.filter(|action| filter.action.is_none() || *action == filter.action);
        let keys = actions.map(|action| Key { event, organisation: subscriber.organisation, resource, action });
        Some(
            keys.filter(|key| {
                self.numbers.get(key).is_some_and(|number| subscriber.member_indexes.contains_key(number))
            })
            .collect(),
        )
    }

    fn join(&mut self, id: u32, key: Key) -> Added {
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => self.open(key),
        };
        let (Some(entry), Some(bucket)) = (self.subscribers.get_mut(id), self.buckets.get_mut(number)) else {
            return Added::AlreadyThere;
        };
        match entry.member_indexes.entry(number) {
            Entry::Occupied(_) => Added::AlreadyThere,
            Entry::Vacant(vacant) => {
                if key.organisation == entry.organisation {
                    entry.name_bytes += key.name_bytes(&self.symbols);
                    bucket.own += 1;
                }
                vacant
                    .insert(u32::try_from(bucket.members.len()).expect("members are numbered subscribers, each once"));
                bucket.members.push(id);
                Added::New
            }
        }
    }

    fn leave(&mut self, id: u32, number: u32) {
        let index = self.subscribers.get_mut(id).and_then(|subscriber| subscriber.member_indexes.remove(&number));
        let (Some(index), Some(bucket)) = (index, self.buckets.get_mut(number)) else {
            return;
        };
        if let Some(subscriber) = self.subscribers.get_mut(id)
            && bucket.key.organisation == subscriber.organisation
        {
            subscriber.name_bytes -= bucket.key.name_bytes(&self.symbols);
            bucket.own -= 1;
        }
        bucket.members.swap_remove(index as usize);
        if let Some(moved) = bucket.members.get(index as usize).and_then(|moved| self.subscribers.get_mut(*moved)) {
            moved.member_indexes.insert(number, index);
        }
        if bucket.members.is_empty() {
            self.close(number);
        }
    }

    fn open(&mut self, key: Key) -> u32 {
        for symbol in key.symbols() {
            self.symbols.retain(symbol);
        }
        let number = self.buckets.insert(Bucket { key, members: Vec::new(), own: 0, matched: LastMinute::default() });
        self.numbers.insert(key, number);
        number
    }

    fn close(&mut self, number: u32) {
        let Some(Bucket { key, .. }) = self.buckets.remove(number) else {
            return;
        };
        self.numbers.remove(&key);
        for symbol in key.symbols() {
            self.symbols.release(symbol);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
