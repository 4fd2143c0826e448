//! `ConnectionTable`: the entries of all connections, by their tokens and their ids.
//!
//! Each entry has a place with a number, in which it stays. So all of them can be listed a few at a time, without the lock of the
//! registry in between. A name takes a few bytes beside the entry, which has it already.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::entry::Entry;
use crate::id::{ConnectionId, ConnectionToken};

/// The entries of all connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    places: Vec<Option<(ConnectionToken, Entry)>>,
    /// The numbers of the places that have no entry.
    free: Vec<u32>,
    by_token: HashTable<u32>,
    by_id: HashTable<u32>,
    hasher: RandomState,
}

/// An entry that was [taken out](ConnectionTable::take_out) of its place.
pub(super) struct TakenOut {
    pub(super) entry: Entry,
    /// The number of its place, and its token.
    pub(super) place: (u32, ConnectionToken),
}

impl ConnectionTable {
    fn number_of(&self, token: &str) -> Option<u32> {
        let is_wanted = |number: &u32| self.place(*number).is_some_and(|(known, _)| known.reveal() == token);
        self.by_token.find(self.hasher.hash_one(token), is_wanted).copied()
    }

    fn place(&self, number: u32) -> Option<&(ConnectionToken, Entry)> {
        self.places.get(number as usize)?.as_ref()
    }

    fn place_mut(&mut self, number: u32) -> Option<&mut Option<(ConnectionToken, Entry)>> {
        self.places.get_mut(number as usize)
    }

    /// Returns the entry of a token.
    pub(super) fn get(&self, token: &str) -> Option<&Entry> {
        self.place(self.number_of(token)?).map(|(_, entry)| entry)
    }

    /// Returns the entry of a token.
    pub(super) fn get_mut(&mut self, token: &str) -> Option<&mut Entry> {
        self.get_with_token(token).map(|(_, entry)| entry)
    }

    /// Returns the entry of a token, and the token as it is kept.
    pub(super) fn get_with_token(&mut self, token: &str) -> Option<(&ConnectionToken, &mut Entry)> {
        let number = self.number_of(token)?;
        self.place_mut(number)?.as_mut().map(|(token, entry)| (&*token, entry))
    }

    /// Returns the entry of the connection with this id.
    pub(super) fn get_by_id(&self, id: &ConnectionId) -> Option<&Entry> {
        let entry = |number: &u32| self.place(*number).map(|(_, entry)| entry);
        let is_wanted = |number: &u32| entry(number).is_some_and(|entry| entry.id == *id);
        self.by_id.find(self.hasher.hash_one(id), is_wanted).and_then(entry)
    }

    /// Adds an entry. It replaces the one that its token has, if there is one.
    pub(super) fn insert(&mut self, token: ConnectionToken, entry: Entry) {
        self.remove(token.reveal());
        let (token_hash, id_hash) = (self.hasher.hash_one(token.reveal()), self.hasher.hash_one(&entry.id));
        let place = Some((token, entry));
        let number = match self.free.pop() {
            Some(number) => {
                self.places[number as usize] = place;
                number
            }
            None => {
                let number = u32::try_from(self.places.len()).expect("a process has fewer sockets than numbers");
                self.places.push(place);
                number
            }
        };
        let Self { places, by_token, by_id, hasher, .. } = self;
        // Every number in the tables has an entry, or one that is about to be put back.
        let known = |number: &u32| places[*number as usize].as_ref();
        let hash_of_token = |number: &u32| known(number).map_or(0, |(token, _)| hasher.hash_one(token.reveal()));
        let hash_of_id = |number: &u32| known(number).map_or(0, |(_, entry)| hasher.hash_one(&entry.id));
        by_token.insert_unique(token_hash, number, hash_of_token);
        by_id.insert_unique(id_hash, number, hash_of_id);
    }

    /// Removes the entry of a token.
    pub(super) fn remove(&mut self, token: &str) -> Option<Entry> {
        let number = self.number_of(token)?;
        self.remove_number(number)
    }

    fn remove_number(&mut self, number: u32) -> Option<Entry> {
        let (token, entry) = self.place_mut(number)?.take()?;
        let (token_hash, id_hash) = (self.hasher.hash_one(token.reveal()), self.hasher.hash_one(&entry.id));
        for (table, hash) in [(&mut self.by_token, token_hash), (&mut self.by_id, id_hash)] {
            if let Ok(found) = table.find_entry(hash, |known| *known == number) {
                found.remove();
            }
        }
        self.free.push(number);
        Some(entry)
    }

    /// Takes the entry of a token out of its place, to be [put back](Self::put_back) at once.
    pub(super) fn take_out(&mut self, token: &str) -> Option<TakenOut> {
        let number = self.number_of(token)?;
        let (token, entry) = self.place_mut(number)?.take()?;
        Some(TakenOut { entry, place: (number, token) })
    }

    /// Puts an entry back into its place.
    pub(super) fn put_back(&mut self, TakenOut { entry, place: (number, token) }: TakenOut) {
        self.places[number as usize] = Some((token, entry));
    }

    /// Returns all entries with their tokens.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ConnectionToken, &Entry)> {
        self.places.iter().flatten().map(|(token, entry)| (token, entry))
    }

    /// Returns all entries.
    pub(super) fn values(&self) -> impl Iterator<Item = &Entry> {
        self.iter().map(|(_, entry)| entry)
    }

    /// Returns the entries in `count` places from the number `from` on; `None` if there are no such places.
    pub(super) fn some(&self, from: usize, count: usize) -> Option<impl Iterator<Item = &Entry>> {
        let places = self.places.get(from..).filter(|places| !places.is_empty())?;
        Some(places.iter().take(count).flatten().map(|(_, entry)| entry))
    }

    /// Removes the entries for which `keep` returns `false`.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Entry) -> bool) {
        for number in 0..self.places.len() {
            if let Some((_, entry)) = &mut self.places[number]
                && !keep(entry)
            {
                self.remove_number(number as u32);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_token.len()
    }
}

#[cfg(test)]
mod tests;
