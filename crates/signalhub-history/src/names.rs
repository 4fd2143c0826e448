//! The names with a history, and what is stored of each.

use std::collections::HashMap;

use signalhub_events::{Bounds, Declared, Epoch, EventName, HistoryCounts, Position};

use crate::blocks::{Blocks, Removed, Written};
use crate::run::FirstEpochs;
use signalhub_events::NameLimits;

/// A name with a history. It stays when its last event is removed, so that its positions stay known.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: EventName,
    /// Identifies it in the file.
    pub(crate) number: i64,
    pub(crate) epoch: Epoch,
    pub(crate) blocks: Blocks,
    pub(crate) limits: NameLimits,
    declared: Declared,
    /// It is in the list of names that exceed a limit.
    listed: bool,
}

/// Which limit an event was removed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Events,
    Bytes,
    Age,
    Total,
}

impl Name {
    pub(crate) fn position(&self) -> Position {
        Position::new(self.epoch, self.blocks.next() - 1)
    }

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { epoch: self.epoch, first: Some(self.blocks.first()), top: self.blocks.next() - 1 }
    }

    /// The limit that is exceeded.
    fn over(&self) -> Option<Limit> {
        if self.blocks.events() > self.limits.events {
            Some(Limit::Events)
        } else if self.blocks.bytes() > self.limits.bytes {
            Some(Limit::Bytes)
        } else {
            None
        }
    }

    /// Whether a limit is exceeded by a tenth, so that events are removed in larger steps.
    fn is_over_by_a_tenth(&self) -> bool {
        let a_tenth_more = |limit: u64| limit.saturating_add(limit / 10);
        self.blocks.events() > a_tenth_more(self.limits.events) || self.blocks.bytes() > a_tenth_more(self.limits.bytes)
    }
}

/// A name as the file has it.
#[derive(Debug)]
pub(crate) struct StoredName {
    pub(crate) name: EventName,
    pub(crate) number: i64,
    pub(crate) epoch: Epoch,
    pub(crate) blocks: Blocks,
    pub(crate) limits: NameLimits,
}

/// The names with a history.
#[derive(Debug, Default)]
pub(crate) struct Names {
    index_of: HashMap<EventName, usize>,
    all: Vec<Name>,
    not_declared: usize,
    first_epochs: FirstEpochs,
    last_number: i64,
    /// Those that the file does not have.
    missing_in_file: Vec<usize>,
    /// Those that exceed a limit by a tenth.
    over: Vec<usize>,
    counts: HistoryCounts,
}

impl Names {
    /// No names. Those that are created get these epochs.
    pub(crate) fn new(first_epochs: FirstEpochs) -> Self {
        Self { first_epochs, ..Self::default() }
    }

    /// The bounds that a name begins with.
    pub(crate) fn first_bounds(&self, name: &EventName) -> Bounds {
        Bounds { epoch: self.first_epochs.of(name), first: Some(1), top: 0 }
    }

    pub(crate) fn get(&self, name: &EventName) -> Option<&Name> {
        self.index_of.get(name).map(|index| &self.all[*index])
    }

    pub(crate) fn index(&self, name: &EventName) -> Option<usize> {
        self.index_of.get(name).copied()
    }

    pub(crate) fn at(&self, index: usize) -> &Name {
        &self.all[index]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.all.iter()
    }

    pub(crate) fn positions(&self) -> Vec<(EventName, Position)> {
        self.all.iter().map(|name| (name.name.clone(), name.position())).collect()
    }

    /// How many events were written since the history began, whether they are stored or were removed.
    pub(crate) fn written(&self) -> u64 {
        self.all.iter().fold(0, |written, name| written.saturating_add(name.position().offset()))
    }

    /// Adds a name from the file. Whether it is declared is not known yet: it counts as undeclared until it is admitted as declared.
    pub(crate) fn restore(&mut self, stored: StoredName) {
        let StoredName { name, number, epoch, blocks, limits } = stored;
        self.counts.events += blocks.events();
        self.counts.bytes += blocks.bytes();
        let index = self.add(Name { name, number, epoch, blocks, limits, declared: Declared::No, listed: false });
        self.list_if_over(index);
    }

    /// Adds a name that has had no event. The file gets it with the next transaction.
    pub(crate) fn create(&mut self, name: EventName, declared: Declared, limits: NameLimits) -> usize {
        let epoch = self.first_epochs.of(&name);
        let number = self.last_number + 1;
        let blocks = Blocks::new(1, &limits);
        let index = self.add(Name { name, number, epoch, blocks, limits, declared, listed: false });
        self.missing_in_file.push(index);
        index
    }

    fn add(&mut self, name: Name) -> usize {
        let index = self.all.len();
        self.not_declared += usize::from(name.declared == Declared::No);
        self.last_number = self.last_number.max(name.number);
        self.index_of.insert(name.name.clone(), index);
        self.all.push(name);
        self.counts.names += 1;
        index
    }

    /// Notes that a name is declared.
    pub(crate) fn declare(&mut self, index: usize) {
        let name = &mut self.all[index];
        if name.declared == Declared::No {
            name.declared = Declared::Yes;
            self.not_declared -= 1;
        }
    }

    /// Counts the names that are not declared.
    pub(crate) fn not_declared(&self) -> usize {
        self.not_declared
    }

    /// The names that the file does not have yet.
    pub(crate) fn missing_in_file(&self) -> impl Iterator<Item = (usize, &Name)> {
        self.missing_in_file.iter().map(|index| (*index, &self.all[*index]))
    }

    /// Notes that the file has a name now.
    pub(crate) fn now_in_file(&mut self, index: usize) {
        self.missing_in_file.retain(|missing| *missing != index);
    }

    /// Adds the next event of a name.
    pub(crate) fn push(&mut self, index: usize, written: Written) {
        let blocks = &mut self.all[index].blocks;
        let bytes = blocks.bytes();
        blocks.push(written);
        self.counts.events += 1;
        self.counts.bytes += blocks.bytes() - bytes;
        self.list_if_over(index);
    }

    fn list_if_over(&mut self, index: usize) {
        let name = &mut self.all[index];
        if !name.listed && name.is_over_by_a_tenth() {
            name.listed = true;
            self.over.push(index);
        }
    }

    /// Removes the oldest block of a name that exceeds its limits of events or bytes.
    pub(crate) fn pop_over(&mut self) -> Option<(usize, Removed)> {
        while let Some(index) = self.over.last().copied() {
            if let Some(limit) = self.all[index].over()
                && let Some(removed) = self.pop(index, limit)
            {
                return Some((index, removed));
            }
            self.all[index].listed = false;
            self.over.pop();
        }
        None
    }

    /// Removes the oldest block of a name whose events are older than its limit at this time.
    pub(crate) fn pop_old(&mut self, now: i64) -> Option<(usize, Removed)> {
        let is_old = |name: &Name| {
            let oldest = now.saturating_sub(crate::blocks::millis(name.limits.age));
            name.blocks.oldest_at().is_some_and(|at| at < oldest)
        };
        let index = self.all.iter().position(is_old)?;
        self.pop(index, Limit::Age).map(|removed| (index, removed))
    }

    /// Removes the oldest block of all names.
    pub(crate) fn pop_oldest(&mut self) -> Option<(usize, Removed)> {
        let oldest = self.all.iter().enumerate().filter_map(|(index, name)| Some((name.blocks.oldest_row()?, index)));
        let (_, index) = oldest.min()?;
        self.pop(index, Limit::Total).map(|removed| (index, removed))
    }

    fn pop(&mut self, index: usize, limit: Limit) -> Option<Removed> {
        let removed = self.all[index].blocks.pop()?;
        let counts = &mut self.counts;
        counts.events -= removed.events;
        counts.bytes -= removed.bytes;
        let count = match limit {
            Limit::Events => &mut counts.trimmed_by_events,
            Limit::Bytes => &mut counts.trimmed_by_bytes,
            Limit::Age => &mut counts.trimmed_by_age,
            Limit::Total => &mut counts.trimmed_by_total,
        };
        *count += removed.events;
        Some(removed)
    }

    /// Counts an event that is published without a history.
    pub(crate) fn count_unrecorded(&mut self) {
        self.counts.unrecorded += 1;
    }

    pub(crate) fn counts(&self) -> HistoryCounts {
        self.counts
    }

    /// Takes over from the names of an earlier opening of the file what the file does not have: the names without a row, what is declared,
    /// and what was removed.
    pub(crate) fn take_over(&mut self, earlier: &Self) {
        for name in &earlier.all {
            match self.index(&name.name) {
                Some(index) if name.declared == Declared::Yes => self.declare(index),
                Some(_) => {}
                None => {
                    self.create(name.name.clone(), name.declared, name.limits);
                }
            }
        }
        let HistoryCounts { events, bytes, names, .. } = self.counts;
        self.counts = earlier.counts;
        (self.counts.events, self.counts.bytes, self.counts.names) = (events, bytes, names);
    }
}
