//! Who wants what: the subscription index of one shard.
//!
//! Subscribers that want the same thing stand in the same bucket, so that finding those of an event is a handful of look-ups,
//! however many subscriptions there are: any or this resource, times any or this action, of one organisation. A subscription of
//! a subscriber with an organisation stands in two buckets: that of its organisation, for the events bounded to it, and the one
//! of everybody, for the events bounded to none.

mod slab;
mod symbols;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::subscriptions::{Added, Member};
use crate::{Action, Event, EventName, Filter, Grants, ResourceName, Scope};
use slab::Slab;
use symbols::{Symbol, Symbols};

/// Identifies a subscriber within one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotId(u32);

impl SlotId {
    /// Its number, for tables by slot: small, and given again to others once the subscriber is gone.
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
}

/// A subscriber that an event goes to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) slot: SlotId,
    pub(crate) member: Arc<Member>,
}

/// Finds the subscribers of an event.
#[derive(Debug, Default)]
pub(crate) struct Index {
    symbols: Symbols,
    numbers: HashMap<Key, u32>,
    buckets: Slab<Bucket>,
    slots: Slab<Slot>,
    /// The serial of the latest event, with which it marks the slots that it has seen.
    serial: u64,
    subscriptions: usize,
}

/// Describes what the members of a bucket want. `None` is everybody's organisation, any resource, any action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    event: Symbol,
    organisation: Option<Symbol>,
    resource: Option<Symbol>,
    action: Option<Action>,
}

#[derive(Debug)]
struct Bucket {
    key: Key,
    members: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    member: Arc<Member>,
    organisation: Option<Symbol>,
    /// In place, because every event that its member may want asks for them.
    grants: Grants,
    mark: u64,
    /// The buckets it stands in, and where in their members, so that leaving one takes no search.
    places: HashMap<u32, u32>,
    /// The bytes of the names in its subscriptions.
    name_bytes: usize,
}

impl Index {
    /// Takes a subscriber in, without subscriptions.
    pub(crate) fn insert(&mut self, member: Arc<Member>, scope: &Scope) -> SlotId {
        let organisation = scope.organisation().map(|name| self.symbols.acquire(name.as_str()));
        let grants = scope.grants().clone();
        SlotId(self.slots.insert(Slot { member, organisation, grants, mark: 0, places: HashMap::new(), name_bytes: 0 }))
    }

    /// Gives a subscriber other grants, and ends its subscriptions that they do not permit.
    pub(crate) fn set_grants(&mut self, slot: SlotId, grants: &Grants) {
        let Some(known) = self.slots.get_mut(slot.0) else { return };
        known.grants = grants.clone();
        let Some(known) = self.slots.get(slot.0) else { return };
        let (organisation, buckets) = (known.organisation, known.places.keys());
        let buckets = buckets.filter_map(|number| self.buckets.get(*number).map(|bucket| (*number, bucket.key)));
        let ended: Vec<(u32, bool)> = buckets
            .filter(|(_, key)| self.filter(*key).is_none_or(|filter| !grants.permit(&filter)))
            // Of the two buckets of a subscription, one is counted.
            .map(|(number, key)| (number, key.organisation == organisation))
            .collect();
        for (number, counts) in ended {
            self.leave(slot.0, number);
            self.subscriptions -= usize::from(counts);
        }
    }

    /// Takes a subscriber out, with its subscriptions.
    pub(crate) fn evict(&mut self, slot: SlotId) {
        self.subscriptions -= self.len_of(slot);
        let buckets: Vec<u32> = self.slots.get(slot.0).map(|s| s.places.keys().copied().collect()).unwrap_or_default();
        for bucket in buckets {
            self.leave(slot.0, bucket);
        }
        if let Some(Slot { organisation: Some(organisation), .. }) = self.slots.remove(slot.0) {
            self.symbols.release(organisation);
        }
    }

    /// Adds a subscription; adding it twice changes nothing.
    pub(crate) fn add(&mut self, slot: SlotId, filter: &Filter) -> Added {
        let Some(organisation) = self.slots.get(slot.0).map(|slot| slot.organisation) else {
            return Added::AlreadyThere;
        };
        let event = self.symbols.acquire(filter.event.as_str());
        let resource = filter.resource.as_ref().map(|name| self.symbols.acquire(name.as_str()));
        let key = Key { event, organisation, resource, action: filter.action };
        let added = self.join(slot.0, key);
        if organisation.is_some() {
            self.join(slot.0, Key { organisation: None, ..key });
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
    pub(crate) fn remove(&mut self, slot: SlotId, filter: &Filter) -> usize {
        let covered = self.covered(slot, filter).unwrap_or_default();
        for key in &covered {
            // Both are the same bucket for a subscriber without organisation, and leaving twice does nothing.
            for key in [*key, Key { organisation: None, ..*key }] {
                if let Some(bucket) = self.numbers.get(&key) {
                    self.leave(slot.0, *bucket);
                }
            }
        }
        self.subscriptions -= covered.len();
        covered.len()
    }

    /// Collects the subscribers that want the event and may see it, each once.
    pub(crate) fn matching(&mut self, event: &Event, found: &mut Vec<Found>) {
        self.serial += 1;
        for key in self.wanted(event).into_iter().flatten().flatten() {
            let Some(bucket) = self.numbers.get(&key).and_then(|number| self.buckets.get(*number)) else {
                continue;
            };
            for number in &bucket.members {
                let Some(slot) = self.slots.get_mut(*number) else {
                    continue;
                };
                if slot.mark == self.serial {
                    continue;
                }
                slot.mark = self.serial;
                // The organisation was the bucket's question.
                if slot.grants.allow(event) {
                    found.push(Found { slot: SlotId(*number), member: slot.member.clone() });
                }
            }
        }
    }

    /// Counts the subscriptions of a subscriber.
    pub(crate) fn len_of(&self, slot: SlotId) -> usize {
        self.slots.get(slot.0).map_or(0, |slot| slot.places.len() / if slot.organisation.is_some() { 2 } else { 1 })
    }

    /// Counts the bytes of the names in the subscriptions of a subscriber.
    pub(crate) fn name_bytes_of(&self, slot: SlotId) -> usize {
        self.slots.get(slot.0).map_or(0, |slot| slot.name_bytes)
    }

    /// Tells whether anybody subscribes to the event.
    pub(crate) fn knows(&self, event: &EventName) -> bool {
        self.symbols.find(event.as_str()).is_some()
    }

    /// Counts all subscriptions.
    pub(crate) fn len(&self) -> usize {
        self.subscriptions
    }

    /// Returns the buckets an event goes to; `None` if nobody knows its name or organisation.
    fn wanted(&self, event: &Event) -> Option<[Option<Key>; 4]> {
        let name = self.symbols.find(event.name.as_str())?;
        let organisation = match &event.organisation {
            Some(organisation) => Some(self.symbols.find(organisation.as_str())?),
            None => None,
        };
        let any = Key { event: name, organisation, resource: None, action: None };
        let resource = event.resource.as_ref().and_then(|name| self.symbols.find(name.as_str()));
        let of_resource = resource.map(|_| Key { resource, ..any });
        let with_action = |key: Key| event.action.map(|action| Key { action: Some(action), ..key });
        Some([Some(any), with_action(any), of_resource, of_resource.and_then(with_action)])
    }

    /// Returns the subscriptions of a subscriber that the filter covers; `None` if nobody knows its names.
    fn covered(&self, slot: SlotId, filter: &Filter) -> Option<Vec<Key>> {
        let slot = self.slots.get(slot.0)?;
        let event = self.symbols.find(filter.event.as_str())?;
        let Some(resource) = &filter.resource else {
            let keys = slot.places.keys().filter_map(|number| self.buckets.get(*number)).map(|bucket| bucket.key);
            let own = keys.filter(|key| key.event == event && key.organisation == slot.organisation);
            return Some(own.filter(|key| filter.action.is_none() || key.action == filter.action).collect());
        };
        // With a resource there are few candidates: they are looked up, however many subscriptions the subscriber has.
        let resource = Some(self.symbols.find(resource.as_str())?);
        let actions = std::iter::once(None).chain(Action::ALL.map(Some));
        let actions = actions.filter(|action| filter.action.is_none() || *action == filter.action);
        let keys = actions.map(|action| Key { event, organisation: slot.organisation, resource, action });
        Some(keys.filter(|key| self.numbers.get(key).is_some_and(|number| slot.places.contains_key(number))).collect())
    }

    /// Says in words what the members of a bucket want.
    fn filter(&self, key: Key) -> Option<Filter> {
        let event = EventName::new(self.symbols.name(key.event)?);
        let resource = match key.resource {
            Some(resource) => Some(ResourceName::new(self.symbols.name(resource)?)),
            None => None,
        };
        Some(Filter { event, resource, action: key.action })
    }

    fn join(&mut self, slot: u32, key: Key) -> Added {
        let number = match self.numbers.get(&key) {
            Some(number) => *number,
            None => self.open(key),
        };
        let (Some(slot_of), Some(bucket)) = (self.slots.get_mut(slot), self.buckets.get_mut(number)) else {
            return Added::AlreadyThere;
        };
        match slot_of.places.entry(number) {
            Entry::Occupied(_) => Added::AlreadyThere,
            Entry::Vacant(place) => {
                if key.organisation == slot_of.organisation {
                    slot_of.name_bytes += key.name_bytes(&self.symbols);
                }
                place.insert(u32::try_from(bucket.members.len()).expect("members are numbered slots, each once"));
                bucket.members.push(slot);
                Added::New
            }
        }
    }

    fn leave(&mut self, slot: u32, number: u32) {
        let place = self.slots.get_mut(slot).and_then(|slot| slot.places.remove(&number));
        let (Some(place), Some(bucket)) = (place, self.buckets.get_mut(number)) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(slot)
            && bucket.key.organisation == slot.organisation
        {
            slot.name_bytes -= bucket.key.name_bytes(&self.symbols);
        }
        bucket.members.swap_remove(place as usize);
        if let Some(moved) = bucket.members.get(place as usize).and_then(|moved| self.slots.get_mut(*moved)) {
            moved.places.insert(number, place);
        }
        if bucket.members.is_empty() {
            self.close(number);
        }
    }

    fn open(&mut self, key: Key) -> u32 {
        for symbol in key.symbols() {
            self.symbols.retain(symbol);
        }
        let number = self.buckets.insert(Bucket { key, members: Vec::new() });
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

impl Key {
    /// Of the two buckets of a subscription, that of the subscriber's own organisation counts.
    fn name_bytes(self, symbols: &Symbols) -> usize {
        symbols.len_of(self.event) + self.resource.map_or(0, |resource| symbols.len_of(resource))
    }

    fn symbols(self) -> impl Iterator<Item = Symbol> {
        [Some(self.event), self.organisation, self.resource].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests;
