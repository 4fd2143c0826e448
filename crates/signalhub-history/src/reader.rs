//! Reads pages of events, beside the thread that writes.

use std::sync::Arc;

use rusqlite::{Connection, Statement};
use signalhub_events::{Event, LogUnavailable, Page, ReadRange};
use tokio::sync::Semaphore;

use crate::error::OpenError;
use crate::row::{self, content_bytes};
use crate::schema;
use crate::shared::Shared;
use crate::shared_pages::SharedPages;

/// How many connections are kept for the next reads.
const IDLE: usize = 8;

/// A page ends after this number of bytes.
const PAGE_BYTES: u64 = 1 << 20;

/// Connections to the file that only read. A page is read with one snapshot of the file.
#[derive(Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
    /// How many may read at the same time.
    turns: Arc<Semaphore>,
    pages: SharedPages,
}

impl Readers {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let most = shared.options.replays.clamp(1, Semaphore::MAX_PERMITS);
        Self { shared, turns: Arc::new(Semaphore::new(most)), pages: SharedPages::default() }
    }

    /// Opens the first connection. While one is open, SQLite keeps what it needs to read when the writer has to close its own.
    pub(crate) fn open(&self) -> Result<(), OpenError> {
        let file = self.shared.directory.file();
        let connection = schema::open_to_read(&file)?;
        connection.query_row("SELECT count(*) FROM meta", [], |_| Ok(())).map_err(OpenError::sqlite(&file))?;
        self.shared.readers().push(connection);
        Ok(())
    }

    /// Reads a page, unless it was read a moment ago.
    pub(crate) async fn read(&self, range: ReadRange) -> Result<Page, LogUnavailable> {
        let name = self.shared.state().names.get(&range.name).map(|name| (name.epoch, name.blocks.first()));
        let Some((epoch, first)) = name else { return self.read_now(range).await };
        // Offsets have no holes, so the same page is asked for with the same range, whatever the latest event is.
        let before = range.after.max(first.saturating_sub(1));
        let through = range.through.min(before.saturating_add(range.most as u64));
        let range = ReadRange::new(range.name, range.after, through, range.most);
        self.pages.get(epoch, range, async |range| self.read_now(range).await).await
    }

    /// Reads a page on a thread that may block.
    async fn read_now(&self, range: ReadRange) -> Result<Page, LogUnavailable> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| LogUnavailable)?;
        let shared = Arc::clone(&self.shared);
        let read = move || {
            let _turn = turn;
            read_page(&shared, &range)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| LogUnavailable)?
    }

    /// Ends reading, and closes the connections.
    pub(crate) fn close(&self) {
        self.turns.close();
        self.shared.readers().clear();
    }
}

fn read_page(shared: &Shared, range: &ReadRange) -> Result<Page, LogUnavailable> {
    let Some((scan, first)) = Scan::plan(shared, range) else {
        return Ok(Page { events: Vec::new(), first: first_of(shared, range), through: range.after });
    };
    let connection = shared.readers().pop();
    let log = |error: &dyn std::fmt::Display| {
        tracing::warn!(file = %shared.directory.file().display(), "the history cannot be read: {error}");
        LogUnavailable
    };
    let connection = match connection {
        Some(connection) => connection,
        None => schema::open_to_read(&shared.directory.file()).map_err(|error| log(&error))?,
    };
    let page = scan.run(&connection, shared, range).map_err(|error| log(&error))?;
    let mut idle = shared.readers();
    if idle.len() < IDLE {
        idle.push(connection);
    }
    drop(idle);
    Ok(match page.events.first() {
        Some((offset, _)) if *offset == scan.from => Page { first, ..page },
        // The events at the beginning were removed meanwhile.
        _ => Page { first: first_of(shared, range), ..page },
    })
}

fn first_of(shared: &Shared, range: &ReadRange) -> u64 {
    let state = shared.state();
    state.names.get(&range.name).map_or(range.after.saturating_add(1), |name| name.blocks.first())
}

/// Where the events of a page are.
#[derive(Debug, Clone, Copy)]
struct Scan {
    /// The number of the name.
    number: i64,
    /// The row to begin with.
    row: i64,
    /// The offset of the first event.
    from: u64,
    /// The offset of the last event.
    through: u64,
}

impl Scan {
    /// Finds where the events of a range are, and the first offset of the name; `None` if there are none.
    fn plan(shared: &Shared, range: &ReadRange) -> Option<(Self, u64)> {
        let state = shared.state();
        let name = state.names.get(&range.name)?;
        let first = name.blocks.first();
        let from = range.after.saturating_add(1).max(first);
        let through = range.through.min(name.blocks.next() - 1);
        if from > through || range.most == 0 {
            return None;
        }
        Some((Self { number: name.number, row: name.blocks.row_before(from)?, from, through }, first))
    }

    /// Reads the events, as long as they are consecutive.
    fn run(&self, connection: &Connection, shared: &Shared, range: &ReadRange) -> rusqlite::Result<Page> {
        let sql = format!("SELECT {} FROM event WHERE s >= ?1 AND n = ?2 ORDER BY s", row::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        let events = self.events(&mut statement, shared, range)?;
        let through = events.last().map_or(range.after, |(offset, _)| *offset);
        Ok(Page { events, first: self.from, through })
    }

    fn events(
        &self,
        statement: &mut Statement<'_>,
        shared: &Shared,
        range: &ReadRange,
    ) -> rusqlite::Result<Vec<(u64, Arc<Event>)>> {
        let mut rows = statement.query((self.row, self.number))?;
        let (mut events, mut bytes, mut next) = (Vec::new(), 0, self.from);
        while next <= self.through
            && events.len() < range.most
            && bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let offset = row::offset(row)?;
            if offset < next {
                continue;
            }
            if offset > next && !events.is_empty() {
                break;
            }
            let node = |run: signalhub_events::Epoch| shared.state().runs.get(&run.get()).cloned();
            let event = row::read(row, &range.name, node)?;
            bytes += content_bytes(&event);
            events.push((offset, Arc::new(event)));
            next = offset + 1;
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests;
