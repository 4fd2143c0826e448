//! Which events are removed: first from the index, then, a few at a time, from the file.

use std::collections::{BTreeSet, VecDeque};

use rusqlite::Connection;

use crate::blocks::Removed;
use crate::names::Names;

/// How many rows one transaction removes at most, but for the last block.
const STEP_ROWS: u64 = 2_000;

/// Rows that are no longer in the index, and not yet removed from the file.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// Those that can be removed.
    removable: VecDeque<Rows>,
    /// Those with idempotency keys, which stay while the keys are remembered.
    keyed: VecDeque<Rows>,
    /// How long keys are remembered, in milliseconds.
    window: i64,
    /// The latest time that was seen, in milliseconds of Unix time.
    latest: i64,
}

/// Some rows of one name.
#[derive(Debug, Clone, Copy)]
struct Rows {
    /// The number of the name.
    number: i64,
    block: Removed,
}

/// What one transaction removes.
#[derive(Debug, Default)]
pub(crate) struct Step {
    rows: Vec<Rows>,
    /// Of each name that loses rows: its number, its first offset, and its next one.
    names: BTreeSet<(i64, u64, u64)>,
}

impl Retention {
    pub(crate) fn new(window: i64, latest: i64, below: Vec<(i64, Removed)>) -> Self {
        let mut retention = Self { removable: VecDeque::new(), keyed: VecDeque::new(), window, latest };
        below.into_iter().for_each(|(number, block)| retention.add(number, block));
        retention
    }

    fn add(&mut self, number: i64, block: Removed) {
        let rows = Rows { number, block };
        if block.keyed { self.keyed.push_back(rows) } else { self.removable.push_back(rows) }
    }

    /// Removes from the index what exceeds the limits of a name.
    pub(crate) fn trim_names(&mut self, names: &mut Names) {
        let mut rows = 0;
        while rows < STEP_ROWS
            && let Some((index, removed)) = names.pop_over()
        {
            rows += removed.events;
            self.add(names.at(index).number, removed);
        }
    }

    /// Removes from the index what is too old. While the clock is behind a time that it had before, nothing is.
    pub(crate) fn trim_age(&mut self, names: &mut Names, now: i64) {
        if now < self.latest {
            return;
        }
        self.latest = now;
        while let Some((index, removed)) = names.pop_old(now) {
            self.add(names.at(index).number, removed);
        }
        while let Some(rows) = self.keyed.front()
            && rows.block.at.saturating_add(self.window) <= now
        {
            self.removable.extend(self.keyed.pop_front());
        }
    }

    /// Removes from the index the oldest events of all names, until this number of bytes can be removed from the file. Tells whether it
    /// found any.
    pub(crate) fn trim_total(&mut self, names: &mut Names, excess: u64) -> bool {
        // Rows that stay for their keys alone go first.
        self.removable.append(&mut self.keyed);
        let mut bytes: u64 = self.removable.iter().map(|rows| rows.block.bytes).sum();
        let mut events = 0;
        while bytes < excess.max(1)
            && events < STEP_ROWS
            && let Some((index, removed)) = names.pop_oldest()
        {
            bytes += removed.bytes;
            events += removed.events;
            self.removable.push_back(Rows { number: names.at(index).number, block: removed });
        }
        !self.removable.is_empty()
    }

    /// Whether rows can be removed from the file.
    pub(crate) fn is_due(&self) -> bool {
        !self.removable.is_empty()
    }

    /// Takes what the next transaction removes.
    pub(crate) fn step(&mut self, names: &Names) -> Step {
        let mut step = Step::default();
        let mut events = 0;
        while events < STEP_ROWS
            && let Some(rows) = self.removable.pop_front()
        {
            events += rows.block.events;
            step.rows.push(rows);
        }
        let numbers: BTreeSet<_> = step.rows.iter().map(|rows| rows.number).collect();
        let touched = names.iter().filter(|name| numbers.contains(&name.number));
        step.names = touched.map(|name| (name.number, name.blocks.first(), name.blocks.next())).collect();
        step
    }
}

impl Step {
    /// Removes the rows, and writes where the events of their names begin now and which offset is the next: no row may tell it later.
    pub(crate) fn run(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut delete = connection.prepare_cached("DELETE FROM event WHERE s >= ?1 AND s < ?2 AND n = ?3")?;
        for Rows { number, block } in &self.rows {
            delete.execute((block.from, block.to, number))?;
        }
        let mut update = connection.prepare_cached("UPDATE name SET first = ?2, next = ?3 WHERE n = ?1")?;
        for (number, first, next) in &self.names {
            update.execute((number, first.cast_signed(), next.cast_signed()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
