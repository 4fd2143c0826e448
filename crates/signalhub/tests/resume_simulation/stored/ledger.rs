//! What the store of a run has written, and in which epoch an event had which offset.

use std::collections::HashMap;
use std::sync::Arc;

use signalhub::events::{Epoch, Event, Idempotency, Position};

/// An event that was written.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Counts all events that were ever written, in this order.
    pub(crate) number: u64,
    /// What the publisher calls it.
    pub(crate) token: u64,
    pub(crate) event: Arc<Event>,
    pub(crate) idempotency: Option<Idempotency>,
}

/// The events that have positions in an epoch: the one with the offset n is at n - 1. Those that were removed since are there as well.
struct View {
    epoch: Epoch,
    entries: Vec<Entry>,
    /// How many of them the epoch began with.
    start: u64,
    /// The number of the next event when it began.
    begun_at: u64,
}

/// All events that were ever written.
pub(crate) struct Ledger {
    views: Vec<View>,
    next_number: u64,
    /// How many events of the latest epoch were reported to the broker as written.
    told: u64,
    /// The events by their numbers.
    pub(crate) all: Vec<Entry>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let view = View { epoch: Epoch::new(1), entries: Vec::new(), start: 0, begun_at: 0 };
        Self { views: vec![view], next_number: 0, told: 0, all: Vec::new() }
    }

    fn current(&self) -> &View {
        self.views.last().unwrap()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.current().entries
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.current().epoch
    }

    /// The position of the latest event.
    pub(crate) fn top(&self) -> Position {
        Position::new(self.epoch(), self.entries().len() as u64)
    }

    pub(crate) fn write(&mut self, event: Arc<Event>, idempotency: Option<Idempotency>) -> Position {
        let text = std::str::from_utf8(&event.payload).unwrap();
        let token = text.trim_start_matches("{\"t\":").split([',', '}']).next().unwrap().parse().unwrap();
        let entry = Entry { number: self.next_number, token, event, idempotency };
        self.next_number += 1;
        self.all.push(entry.clone());
        self.views.last_mut().unwrap().entries.push(entry);
        self.top()
    }

    /// Counts an event as reported to the broker.
    pub(crate) fn tell(&mut self, position: Position) {
        assert_eq!(position, Position::new(self.epoch(), self.told + 1));
        self.told = position.offset();
    }

    /// Counts all events as reported to a broker: a new one is told of them when it opens the store.
    pub(crate) fn tell_all(&mut self) {
        self.told = self.entries().len() as u64;
    }

    /// Keeps the first events and begins a new epoch.
    pub(crate) fn begin_epoch(&mut self, kept: u64) {
        let entries = self.entries()[..kept as usize].to_vec();
        let (epoch, begun_at) = (Epoch::new(self.epoch().get() + 1), self.next_number);
        self.views.push(View { epoch, entries, start: kept, begun_at });
        self.told = kept;
    }

    fn view(&self, epoch: Epoch) -> &View {
        &self.views[self.index(epoch)]
    }

    fn index(&self, epoch: Epoch) -> usize {
        usize::try_from(epoch.get() - 1).unwrap()
    }

    /// The event of a position, if one was written there and the broker may show it.
    pub(crate) fn shown(&self, position: Position) -> Option<&Entry> {
        let is_told = position.epoch() != self.epoch() || position.offset() <= self.told;
        self.at(position).filter(|_| is_told)
    }

    /// The event of a position, if one was written there.
    pub(crate) fn at(&self, position: Position) -> Option<&Entry> {
        let view = self.views.get(usize::try_from(position.epoch().get().checked_sub(1)?).ok()?)?;
        view.entries.get(usize::try_from(position.offset()).ok()?.checked_sub(1)?)
    }

    /// The number behind everything up to a position, and behind everything that was written before its epoch.
    pub(crate) fn number_behind(&self, position: Position) -> u64 {
        let number = self.at(position).map_or(0, |entry| entry.number + 1);
        number.max(self.view(position.epoch()).begun_at)
    }

    /// The first event of the epoch of a position behind it, for which this holds.
    pub(crate) fn next(&self, behind: Position, wanted: impl Fn(&Event) -> bool) -> Option<Position> {
        let epoch = behind.epoch();
        let entries = (1..).zip(&self.view(epoch).entries).skip(usize::try_from(behind.offset()).unwrap());
        let mut found = entries.filter(|(_, entry)| wanted(&entry.event));
        found.next().map(|(offset, _)| Position::new(epoch, offset))
    }

    /// As [`Self::next`], for a subscriber that gets the new events of later epochs as well.
    pub(crate) fn next_live(&self, behind: Position, wanted: impl Fn(&Event) -> bool) -> Option<Position> {
        let later = &self.views[self.index(behind.epoch()) + 1..];
        let starts = later.iter().map(|view| Position::new(view.epoch, view.start));
        std::iter::once(behind).chain(starts).find_map(|position| self.next(position, &wanted))
    }

    /// Whether a subscriber reaches the second position after the first one.
    pub(crate) fn is_behind(&self, first: Position, second: Position) -> bool {
        (self.index(first.epoch()), first.offset()) < (self.index(second.epoch()), second.offset())
    }

    /// How often each publish is among the events that are not lost.
    pub(crate) fn counts_of_tokens(&self) -> HashMap<u64, u64> {
        let mut counts = HashMap::new();
        self.entries().iter().for_each(|entry| *counts.entry(entry.token).or_default() += 1);
        counts
    }
}
