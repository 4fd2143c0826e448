//! What operators do with a history: look at it, export it, make it smaller, restore it, begin a new one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row};
use signalhub_events::{Epoch, Event, EventName, Position};
use time::OffsetDateTime;

use crate::directory::Directory;
use crate::error::OpenError;
use crate::load::read_runs;
use crate::row::{self, COLUMNS, CONTENT_BYTES, row_bytes};
use crate::run;
use crate::schema::{self, MIGRATIONS, meta};

/// What a history has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The format of the file.
    pub format: u32,
    /// Whether the last process closed it; `false` also while a server uses it.
    pub closed: bool,
    /// The length of the file.
    pub file_bytes: u64,
    /// What was committed and is not yet copied into the file, with what was copied already.
    pub wal_bytes: u64,
    /// The part of the file that is in use, which the limit for all names is about.
    pub used_bytes: u64,
    /// The names, in the order in which they got a history.
    pub names: Vec<NameStatus>,
}

/// What a history has of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameStatus {
    /// The name.
    pub name: EventName,
    /// The position of its latest event.
    pub latest: Position,
    /// The lowest offset from which on every event is stored, one more than that of the latest event if none is stored.
    pub first: u64,
    /// How many events are stored.
    pub events: u64,
    /// What they take in the file.
    pub bytes: u64,
    /// When the oldest of them was written.
    pub oldest: Option<OffsetDateTime>,
    /// When the newest of them was written.
    pub newest: Option<OffsetDateTime>,
}

/// The lengths of a file that was made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The length before.
    pub before: u64,
    /// The length now.
    pub after: u64,
}

/// Why events cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The history cannot be read, or not to its end: the events before the damaged part were exported.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The event has no history.
    #[error("{}: the event \"{name}\" has no history", .file.display())]
    UnknownName {
        /// The file.
        file: PathBuf,
        /// The name of the event.
        name: EventName,
    },
    /// What was exported cannot be written.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Reads what a history has, also while a server uses it. It reads the whole index, about a second per million events.
///
/// # Errors
/// If there is no history, or it cannot be read.
pub fn status(directory: impl Into<PathBuf>) -> Result<Status, OpenError> {
    let directory = Directory::new(directory);
    let file = directory.file();
    let connection = open_existing(&directory)?;
    let format = schema::check_version(&connection, &file, MIGRATIONS.len())?;
    let read = || {
        // All of it is read at one moment.
        let snapshot = connection.unchecked_transaction()?;
        let (used_bytes, names) = (schema::used_bytes(&snapshot)?, names(&snapshot)?);
        Ok((used_bytes, names, meta(&snapshot, "clean")?))
    };
    let (used_bytes, names, clean) = read().map_err(OpenError::sqlite(&file))?;
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let (file_bytes, wal_bytes) = (length(&file), length(&directory.wal()));
    let closed = clean.as_deref() == Some("1");
    Ok(Status { format, closed, file_bytes, wal_bytes, used_bytes, names })
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<NameStatus>> {
    let sql = format!(
        "SELECT name.name, name.epoch, name.first, name.next, held.events, held.first, held.last, held.bytes, held.oldest, held.newest \
         FROM name LEFT JOIN (SELECT n, count(*) AS events, min(o) AS first, max(o) AS last, sum({CONTENT_BYTES}) AS bytes, \
         min(at) AS oldest, max(at) AS newest FROM event JOIN name USING (n) WHERE o >= name.first GROUP BY n) AS held USING (n) \
         ORDER BY n"
    );
    let mut statement = connection.prepare(&sql)?;
    let read = |row: &Row<'_>| {
        let number = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(i64::cast_unsigned));
        let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.and_then(time_of));
        let next = number(3)?.unwrap_or(1).max(number(6)?.map_or(1, |last| last + 1));
        let events = number(4)?.unwrap_or(0);
        Ok(NameStatus {
            name: row.get_ref(0)?.as_str()?.into(),
            latest: Position::new(Epoch::new(number(1)?.unwrap_or(0)), next - 1),
            first: number(5)?.unwrap_or(next),
            events,
            bytes: number(7)?.map_or(0, |content| content + events * row_bytes(0)),
            oldest: time(8)?,
            newest: time(9)?,
        })
    };
    statement.query_map([], read)?.collect()
}

fn time_of(millis: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}

/// Passes the stored events of a name that are behind an offset to a function, in their order, and returns how many there were.
///
/// It reads as much of a damaged file as it can.
///
/// # Errors
/// If a server uses the history, it cannot be read, or the function fails.
pub fn export(
    directory: impl Into<PathBuf>,
    name: &EventName,
    after: u64,
    mut each: impl FnMut(Position, Event) -> io::Result<()>,
) -> Result<u64, ExportError> {
    let directory = Directory::new(directory);
    let file = directory.file();
    let failed = OpenError::sqlite(&file);
    let _lock = directory.lock_existing()?;
    let connection = open_existing(&directory)?;
    schema::check_version(&connection, &file, MIGRATIONS.len())?;
    let find = "SELECT n, epoch, first FROM name WHERE name = ?1";
    let found = connection.query_row(find, [name.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let Some((number, epoch, first)) = found.optional().map_err(&failed)? else {
        return Err(ExportError::UnknownName { file, name: name.clone() });
    };
    let (number, epoch, first): (i64, i64, i64) = (number, epoch, first);
    let runs = read_runs(&connection).map_err(&failed)?;
    let from = first.max(i64::try_from(after).unwrap_or(i64::MAX).saturating_add(1));
    let sql = format!("SELECT {COLUMNS} FROM event WHERE n = ?1 AND o >= ?2 ORDER BY s");
    let mut statement = connection.prepare(&sql).map_err(&failed)?;
    let mut rows = statement.query((number, from)).map_err(&failed)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(&failed)? {
        let event = row::read(row, name, |run| runs.get(&run.get()).cloned()).map_err(&failed)?;
        let offset = row::offset(row).map_err(&failed)?;
        each(Position::new(Epoch::new(epoch.cast_unsigned()), offset), event)?;
        count += 1;
    }
    Ok(count)
}

/// Gives the room of removed events back to the operating system. It needs as much room as the events take while it runs.
///
/// # Errors
/// If a server uses the history, or it cannot be written.
pub fn compact(directory: impl Into<PathBuf>) -> Result<Compacted, OpenError> {
    let directory = Directory::new(directory);
    let file = directory.file();
    let failed = OpenError::sqlite(&file);
    let _lock = directory.lock_existing()?;
    let length = || fs::metadata(&file).map(|metadata| metadata.len()).map_err(OpenError::unusable(&file));
    let before = length()?;
    let connection = schema::open(&file, MIGRATIONS)?;
    connection.execute_batch("VACUUM").map_err(&failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    Ok(Compacted { before, after: length()? })
}

/// Puts a backup in the place of a history. A history that is there is moved aside; the result is where it is now.
///
/// The next process that opens the history gives new epochs to all names, so clients with positions from after the backup are told of a gap.
///
/// # Errors
/// If a server uses the history, or the backup is none or is damaged. The history is not changed then.
pub fn restore(directory: impl Into<PathBuf>, backup: &Path) -> Result<Option<PathBuf>, OpenError> {
    let directory = Directory::new(directory);
    directory.create()?;
    let _lock = directory.lock()?;
    let source = open_backup(backup).map_err(|error| match error {
        OpenError::Corrupt { file, problem } => OpenError::Backup { file, problem },
        other => other,
    })?;
    let copy = directory.path().join("history.sqlite.restoring");
    let _ = fs::remove_file(&copy);
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy);
    let created = created.map_err(OpenError::unusable(&copy))?;
    // The WAL of the backup, if it has one, is copied too.
    source.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(OpenError::sqlite(backup))?;
    let mark = || {
        let connection = schema::open_plain(&copy)?;
        run::mark_restored(&connection)?;
        connection.close().map_err(|(_, error)| error)
    };
    mark().map_err(OpenError::sqlite(&copy))?;
    created.sync_all().map_err(OpenError::unusable(&copy))?;
    let aside = directory.move_aside("replaced")?;
    let file = directory.file();
    fs::rename(&copy, &file).map_err(OpenError::unusable(&file))?;
    directory.sync().map_err(OpenError::unusable(&file))?;
    Ok(aside)
}

/// Opens a backup, if all of it can be read.
fn open_backup(backup: &Path) -> Result<Connection, OpenError> {
    fs::metadata(backup).map_err(OpenError::unusable(backup))?;
    let source = schema::open_to_read(backup)?;
    if schema::check_version(&source, backup, MIGRATIONS.len())? == 0 {
        return Err(OpenError::Foreign { file: backup.to_owned() });
    }
    match schema::quick_check(&source).map_err(OpenError::sqlite(backup))? {
        Some(problem) => Err(OpenError::Corrupt { file: backup.to_owned(), problem }),
        None => Ok(source),
    }
}

/// Moves a history aside, so that the next process that opens it begins a new one. The result is where it is now; `None` if there was none.
///
/// # Errors
/// If a server uses the history, or it cannot be moved.
pub fn reset(directory: impl Into<PathBuf>) -> Result<Option<PathBuf>, OpenError> {
    let directory = Directory::new(directory);
    directory.create()?;
    let lock = directory.lock()?;
    let aside = directory.move_aside("corrupt")?;
    lock.set_written(0);
    Ok(aside)
}

/// Opens a history that exists, to read it.
fn open_existing(directory: &Directory) -> Result<Connection, OpenError> {
    let file = directory.file();
    fs::metadata(&file).map_err(OpenError::unusable(&file))?;
    schema::open_to_read(&file)
}

#[cfg(test)]
mod tests;
