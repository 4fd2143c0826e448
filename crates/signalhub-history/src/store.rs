//! The open file: transactions, syncs and checkpoints, and what they cost.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi};
use signalhub_events::{Durations, EventName, Position};
use tokio::time::Instant;

use crate::directory::{Directory, DirectoryLock};
use crate::error::OpenError;
use crate::load::{Loaded, Runs};
use crate::names::Names;
use crate::options::DiskOptions;
use crate::run::{self, LastRun, NewEpochs, ThisRun};
use crate::schema;

/// A file of this size or a smaller one is checked if it was not closed.
const CHECKED_BYTES: u64 = 64 << 20;

/// After this number of bytes in the WAL, they are copied into the database.
const CHECKPOINT_BYTES: u64 = 16 << 20;

/// The WAL may take this part of the limit for all names, so that a small disk has room for it.
const PART_OF_LIMIT: u64 = 8;

/// The least number of pages after which the WAL is copied.
const LEAST_PAGES: u64 = 64;

/// A WAL that is this number of times longer was copied, but did not begin anew, because it is always read: the writer waits for that.
const TRUNCATE: u64 = 3;

/// How long a checkpoint waits for readers.
const CHECKPOINT_BUSY: Duration = Duration::from_millis(200);

/// What each page in the WAL has before it.
const WAL_FRAME_HEADER: u64 = 24;

/// A file that this process writes.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    /// The same file that SQLite writes: a sync of it makes all transactions durable.
    wal: File,
    path: PathBuf,
    page_bytes: u64,
    /// How many pages the WAL has since it last began anew, and how many of them are in the database.
    wal_pages: u64,
    copied_pages: u64,
    /// With this number of pages that are not in the database, the WAL is copied.
    checkpoint_at: u64,
    /// With this number of pages, the WAL is truncated.
    truncate_at: u64,
    costs: Costs,
}

/// What the transactions, syncs and checkpoints of one or more files cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Costs {
    pub(crate) commits: u64,
    pub(crate) syncs: u64,
    /// The pages that were written to the WAL, with their headers, and those that checkpoints copied into the database.
    pub(crate) written_bytes: u64,
    pub(crate) commit_seconds: Durations,
    pub(crate) sync_seconds: Durations,
}

impl Costs {
    pub(crate) fn add(&mut self, more: &Self) {
        let Self { commits, syncs, written_bytes, commit_seconds, sync_seconds } = more;
        self.commits += commits;
        self.syncs += syncs;
        self.written_bytes += written_bytes;
        add_durations(&mut self.commit_seconds, commit_seconds);
        add_durations(&mut self.sync_seconds, sync_seconds);
    }
}

fn add_durations(all: &mut Durations, more: &Durations) {
    all.counts.iter_mut().zip(more.counts).for_each(|(count, more)| *count += more);
    all.sum += more.sum;
}

/// Why a file cannot be written now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// There is no room on the disk.
    #[error("{0}")]
    Full(rusqlite::Error),
    /// It is not known what the disk has.
    #[error("a sync failed: {0}")]
    Sync(io::Error),
    /// As before, and SQLite noticed it.
    #[error("a sync failed: {0}")]
    SqliteSync(rusqlite::Error),
    /// Readers keep the WAL from beginning anew.
    #[error("the WAL cannot begin anew, because it is still read")]
    Busy,
    /// Any other error.
    #[error("{0}")]
    Sqlite(rusqlite::Error),
}

impl WriteError {
    /// Whether it is unknown what the disk has.
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync(_) | Self::SqliteSync(_))
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        let extended = error.sqlite_error().map(|error| error.extended_code);
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            Self::Full(error)
        } else if matches!(extended, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)) {
            Self::SqliteSync(error)
        } else {
            Self::Sqlite(error)
        }
    }
}

/// A file that was opened, and what it has.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) loaded: Loaded,
    pub(crate) last_run: LastRun,
}

/// What an earlier opening of the file by this process knows of it.
#[derive(Debug)]
pub(crate) struct Earlier {
    /// Rows from this one on were written, but no publisher was told so.
    pub(crate) row: i64,
    /// Why new epochs are needed, if that is clear already.
    pub(crate) new_epochs: Option<NewEpochs>,
    /// The position of the latest event of each name.
    pub(crate) positions: Vec<(EventName, Position)>,
}

impl Earlier {
    /// Whether the file lacks events that were written.
    fn misses(&self, names: &Names) -> bool {
        self.positions.iter().any(|(name, latest)| {
            let found = names.get(name).map_or(0, |found| found.position().offset());
            found < latest.offset()
        })
    }
}

impl Store {
    /// Opens the file, creates it if it is missing, and begins a run.
    pub(crate) fn open(
        directory: &Directory,
        lock: &DirectoryLock,
        options: &DiskOptions,
        now: i64,
        earlier: Option<Earlier>,
    ) -> Result<Opened, OpenError> {
        directory.create_file()?;
        let path = directory.file();
        let failed = OpenError::sqlite(&path);
        let connection = schema::open(&path, schema::MIGRATIONS)?;
        let this_run = ThisRun::new(options, directory);
        let mut last_run = this_run.last_run(&connection).map_err(&failed)?;
        let length = fs::metadata(&path).map_err(OpenError::unusable(&path))?.len();
        if !last_run.clean
            && length <= CHECKED_BYTES
            && let Some(problem) = schema::quick_check(&connection).map_err(&failed)?
        {
            return Err(OpenError::Corrupt { file: path, problem });
        }
        if let Some(earlier) = &earlier {
            connection.execute("DELETE FROM event WHERE s >= ?1", [earlier.row]).map_err(&failed)?;
            last_run.new_epochs = last_run.new_epochs.or(earlier.new_epochs);
        }
        let mut loaded = Loaded::read(&connection, options, now).map_err(&failed)?;
        let events_missing = loaded.names.written() < lock.written();
        if events_missing || earlier.is_some_and(|earlier| earlier.misses(&loaded.names)) {
            last_run.new_epochs = last_run.new_epochs.or(Some(NewEpochs::EventsMissing));
        }
        begin(&connection, &this_run, last_run, &loaded.runs).map_err(&failed)?;
        if last_run.new_epochs.is_some() {
            loaded = Loaded::read(&connection, options, now).map_err(&failed)?;
        }
        let page_bytes =
            connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0)).map_err(&failed)?;
        let wal = File::options().write(true).open(directory.wal()).map_err(OpenError::unusable(&directory.wal()))?;
        let page_bytes = page_bytes.cast_unsigned();
        let wal_bytes = CHECKPOINT_BYTES.min(options.maximum_bytes / PART_OF_LIMIT);
        let checkpoint_at = (wal_bytes / page_bytes).max(LEAST_PAGES);
        let costs = Costs::default();
        let mut store = Self {
            connection,
            wal,
            path,
            page_bytes,
            wal_pages: 0,
            copied_pages: 0,
            checkpoint_at,
            truncate_at: checkpoint_at * TRUNCATE,
            costs,
        };
        store.begin_wal(last_run.new_epochs).map_err(|error| store.open_error(&error))?;
        directory.sync().map_err(OpenError::unusable(&store.path))?;
        lock.set_written(loaded.names.written());
        Ok(Opened { store, loaded, last_run })
    }

    /// Copies the WAL into the database, so that it begins anew.
    fn begin_wal(&mut self, new_epochs: Option<NewEpochs>) -> Result<(), WriteError> {
        match self.checkpoint(Checkpoint::Truncate) {
            // After a failed sync, the WAL may have a hole on the disk that later syncs do not mend, so it has to begin anew. In any other
            // case a tool that reads does no harm.
            Err(WriteError::Busy) if new_epochs != Some(NewEpochs::SyncFailed) => self.sync(),
            result => result,
        }
    }

    fn open_error(&self, error: &WriteError) -> OpenError {
        OpenError::Failed { file: self.path.clone(), problem: error.to_string() }
    }

    /// Runs a transaction.
    pub(crate) fn commit<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, WriteError> {
        let begin = Instant::now();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = write(&transaction)?;
        transaction.commit()?;
        self.costs.commits += 1;
        self.costs.commit_seconds.record(begin.elapsed());
        self.count_wal_pages()?;
        Ok(result)
    }

    /// Counts the pages that the last transaction wrote.
    fn count_wal_pages(&mut self) -> Result<(), WriteError> {
        let mut statement = self.connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        let pages = statement.query_row([], |row| row.get::<_, i64>(1))?.max(0).cast_unsigned();
        // After a checkpoint has copied all pages, the WAL begins anew.
        let new = pages.checked_sub(self.wal_pages).unwrap_or_else(|| {
            self.copied_pages = 0;
            pages
        });
        self.wal_pages = pages;
        self.costs.written_bytes += new * (self.page_bytes + WAL_FRAME_HEADER);
        Ok(())
    }

    /// Waits until the disk has all transactions.
    pub(crate) fn sync(&mut self) -> Result<(), WriteError> {
        let begin = Instant::now();
        self.wal.sync_data().map_err(WriteError::Sync)?;
        self.count_sync(begin);
        Ok(())
    }

    fn count_sync(&mut self, begin: Instant) {
        self.costs.syncs += 1;
        self.costs.sync_seconds.record(begin.elapsed());
    }

    /// Copies the WAL into the database if it is long. Tells whether it did: then all transactions are durable.
    pub(crate) fn checkpoint_if_long(&mut self) -> Result<bool, WriteError> {
        if self.wal_pages >= self.truncate_at {
            match self.checkpoint(Checkpoint::Truncate) {
                Ok(()) => self.truncate_at = self.checkpoint_at * TRUNCATE,
                // A tool reads, such as that of a backup. Until it ends, each attempt stops the publishers for a moment.
                Err(WriteError::Busy) => {
                    self.truncate_at = self.wal_pages + self.checkpoint_at;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        } else if self.wal_pages - self.copied_pages >= self.checkpoint_at {
            self.checkpoint(Checkpoint::Passive)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Copies the WAL into the database.
    pub(crate) fn checkpoint(&mut self, mode: Checkpoint) -> Result<(), WriteError> {
        let begin = Instant::now();
        let pragma = match mode {
            Checkpoint::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
            Checkpoint::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
        };
        let unsigned = |value: i64| value.max(0).cast_unsigned();
        self.connection.busy_timeout(CHECKPOINT_BUSY)?;
        let result = self.connection.query_row(pragma, [], |row| {
            Ok((row.get::<_, i64>(0)? != 0, unsigned(row.get(1)?), unsigned(row.get(2)?)))
        });
        self.connection.busy_timeout(schema::BUSY)?;
        let (busy, pages, copied) = result?;
        self.count_sync(begin);
        let truncated = mode == Checkpoint::Truncate && !busy;
        let now_copied = if truncated { self.wal_pages } else { copied };
        self.costs.written_bytes += now_copied.saturating_sub(self.copied_pages) * self.page_bytes;
        (self.wal_pages, self.copied_pages) = (pages, copied);
        if mode == Checkpoint::Truncate && busy { Err(WriteError::Busy) } else { Ok(()) }
    }

    /// How many bytes the file uses, without what is free for new events.
    pub(crate) fn used_bytes(&self) -> Result<u64, WriteError> {
        Ok(schema::used_bytes(&self.connection)?)
    }

    /// Takes what was counted since the last call.
    pub(crate) fn take_costs(&mut self) -> Costs {
        std::mem::take(&mut self.costs)
    }

    /// Closes the file as it is. What was committed stays in the WAL, where the next open checks it.
    pub(crate) fn abandon(self) {
        let as_it_is = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        if let Err(error) = self.connection.set_db_config(as_it_is, true) {
            tracing::debug!("the history is copied when it is closed: {error}");
        }
    }

    /// Writes that the run closed the file, makes everything durable, and closes it.
    pub(crate) fn close(mut self) -> Result<(), WriteError> {
        self.commit(|transaction| run::end(transaction))?;
        self.sync()?;
        match self.checkpoint(Checkpoint::Truncate) {
            // The next open copies the WAL.
            Ok(()) | Err(WriteError::Busy) => {}
            Err(error) => return Err(error),
        }
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

/// How the WAL is copied into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    /// As far as readers permit.
    Passive,
    /// All of it. It waits for readers, and the WAL begins anew.
    Truncate,
}

/// Begins a run, with new epochs if they are needed. Of the earlier runs, those whose events are stored stay.
fn begin(connection: &Connection, this_run: &ThisRun, last_run: LastRun, runs: &Runs) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("DELETE FROM run", [])?;
    runs.keys().try_for_each(|run| insert_run(&transaction, runs, *run))?;
    this_run.begin(&transaction)?;
    if last_run.new_epochs.is_some() {
        run::renew_epochs(&transaction)?;
    }
    transaction.commit()
}

/// Writes the node of a run.
pub(crate) fn insert_run(connection: &Connection, runs: &Runs, boot: u64) -> rusqlite::Result<()> {
    let Some(node) = runs.get(&boot) else { return Ok(()) };
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO run (boot, node) VALUES (?1, ?2)")?;
    statement.execute((boot.cast_signed(), &**node)).map(drop)
}
