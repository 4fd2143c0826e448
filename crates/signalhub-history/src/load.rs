//! What a file has: one scan of its rows, without their texts, builds the index again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Error, Row};
use signalhub_events::{Epoch, EventId, EventName, Fingerprint, Idempotency, IdempotencyKey, Position, StoredPublish};

use crate::blocks::{Blocks, Removed, Written, millis};
use crate::names::{Names, StoredName};
use crate::options::DiskOptions;
use crate::row::{CONTENT_BYTES, row_bytes};
use crate::run::FirstEpochs;

/// The node of each run whose events are stored.
pub(crate) type Runs = HashMap<u64, Arc<str>>;

/// What a file has.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) names: Names,
    /// The publishes whose keys are still remembered, the oldest first.
    pub(crate) publishes: Vec<StoredPublish>,
    pub(crate) runs: Runs,
    /// The row of the next event.
    pub(crate) next_row: i64,
    /// The latest time of a row, in milliseconds of Unix time.
    pub(crate) latest: i64,
    /// Rows below the first offset of their name: each with the number of the name.
    pub(crate) below: Vec<(i64, Removed)>,
}

/// The largest offset, and the largest number of a row or a name, that a file has which is not damaged: no server gets this far.
const LARGEST: i64 = 1 << 62;

/// Reads an offset, or the number of a row or a name. A damaged one must not make the numbers behind it overflow.
fn counted(row: &Row<'_>, index: usize) -> rusqlite::Result<i64> {
    let value = row.get(index)?;
    if (0..=LARGEST).contains(&value) { Ok(value) } else { Err(Error::IntegralValueOutOfRange(index, value)) }
}

/// A row without its texts.
struct Scanned {
    row: i64,
    number: i64,
    offset: u64,
    at: i64,
    id: Option<EventId>,
    idempotency: Option<Idempotency>,
    bytes: u64,
}

impl Scanned {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let unsigned = |index| Ok::<_, Error>(row.get::<_, Option<i64>>(index)?.map(i64::cast_unsigned));
        let (boot, serial) = (unsigned(4)?, unsigned(5)?);
        let key = row.get_ref(7)?.as_blob_or_null()?.and_then(|key| key.try_into().ok());
        let idempotency = unsigned(6)?.zip(key).map(|(fingerprint, key)| Idempotency {
            key: IdempotencyKey::new(key),
            fingerprint: Fingerprint::new(fingerprint),
        });
        Ok(Self {
            row: counted(row, 0)?,
            number: row.get(1)?,
            offset: counted(row, 2)?.cast_unsigned(),
            at: row.get(3)?,
            id: boot.zip(serial).map(|(boot, serial)| EventId::new(Epoch::new(boot), serial)),
            idempotency,
            bytes: row_bytes(row.get::<_, i64>(8)?.cast_unsigned()),
        })
    }

    fn written(&self) -> Written {
        Written { row: self.row, at: self.at, bytes: self.bytes, keyed: self.idempotency.is_some() }
    }
}

/// A name while its rows are read.
struct Reading {
    name: EventName,
    epoch: Epoch,
    first: u64,
    next: u64,
    blocks: Blocks,
}

impl Loaded {
    /// Reads what the file has. The time is in milliseconds of Unix time.
    pub(crate) fn read(connection: &Connection, options: &DiskOptions, now: i64) -> rusqlite::Result<Self> {
        let mut names = read_names(connection, options)?;
        let mut loaded = Self {
            names: Names::new(FirstEpochs::read(connection)?),
            publishes: Vec::new(),
            runs: read_runs(connection)?,
            next_row: 1,
            latest: 0,
            below: Vec::new(),
        };
        let (mut publishes, mut runs_with_events) = (VecDeque::new(), HashSet::new());
        let columns =
            format!("SELECT s, n, o, at, boot, serial, fingerprint, key, {CONTENT_BYTES} FROM event ORDER BY s");
        let mut statement = connection.prepare(&columns)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let row = Scanned::read(row)?;
            loaded.next_row = row.row + 1;
            loaded.latest = loaded.latest.max(row.at);
            runs_with_events.extend(row.id.map(|id| id.run().get()));
            let Some(name) = names.get_mut(&row.number) else { continue };
            if let Some(publish) = publish(&row, name.epoch, now, options.idempotency_window) {
                publishes.push_back(publish);
                if publishes.len() > options.idempotency_keys {
                    publishes.pop_front();
                }
            }
            loaded.add(name, &row);
        }
        loaded.publishes = publishes.into();
        loaded.runs.retain(|run, _| runs_with_events.contains(run));
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable_by_key(|(number, _)| *number);
        for (number, name) in names {
            loaded.finish(number, name, options);
        }
        Ok(loaded)
    }

    fn add(&mut self, name: &mut Reading, row: &Scanned) {
        if row.offset < name.first {
            let (from, to, events) = (row.row, row.row + 1, 1);
            let removed = Removed { from, to, events, bytes: row.bytes, at: row.at, keyed: row.idempotency.is_some() };
            self.below.push((row.number, removed));
            return;
        }
        if row.offset != name.blocks.next() {
            // The rows between are missing, so what is stored begins behind them.
            self.drop_blocks(row.number, name, row.offset);
        }
        name.blocks.push(row.written());
    }

    /// Puts the rows of a name that were read so far below its first offset.
    fn drop_blocks(&mut self, number: i64, name: &mut Reading, next: u64) {
        while let Some(removed) = name.blocks.pop() {
            self.below.push((number, removed));
        }
        name.blocks.skip_to(next);
    }

    fn finish(&mut self, number: i64, mut name: Reading, options: &DiskOptions) {
        if name.blocks.next() < name.next {
            let next = name.next;
            self.drop_blocks(number, &mut name, next);
        }
        let Reading { name, epoch, blocks, .. } = name;
        let limits = options.limits_of(&name);
        self.names.restore(StoredName { name, number, epoch, blocks, limits });
    }
}

fn read_names(connection: &Connection, options: &DiskOptions) -> rusqlite::Result<HashMap<i64, Reading>> {
    let mut statement = connection.prepare("SELECT n, name, epoch, first, next FROM name")?;
    let offset = |row: &Row<'_>, index| Ok::<_, Error>(counted(row, index)?.cast_unsigned().max(1));
    let names = statement.query_map([], |row| {
        let name = EventName::from(row.get_ref(1)?.as_str()?);
        let epoch = Epoch::new(row.get::<_, i64>(2)?.cast_unsigned());
        let (first, next) = (offset(row, 3)?, offset(row, 4)?);
        let blocks = Blocks::new(first, &options.limits_of(&name));
        Ok((counted(row, 0)?, Reading { name, epoch, first, next, blocks }))
    })?;
    names.collect()
}

/// Reads the nodes of the runs.
pub(crate) fn read_runs(connection: &Connection) -> rusqlite::Result<Runs> {
    let mut statement = connection.prepare("SELECT boot, node FROM run")?;
    let runs =
        statement.query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get_ref(1)?.as_str()?.into())))?;
    runs.collect()
}

/// The publish of a row, if its key is still remembered. A time in the future, as after the clock was set back, is now.
fn publish(row: &Scanned, epoch: Epoch, now: i64, window: Duration) -> Option<StoredPublish> {
    let (id, idempotency) = (row.id?, row.idempotency?);
    let age = now.saturating_sub(row.at).max(0);
    let age_duration = Duration::from_millis(age.cast_unsigned());
    (age < millis(window)).then(|| StoredPublish::new(idempotency, id, Position::new(epoch, row.offset), age_duration))
}

#[cfg(test)]
mod tests;
