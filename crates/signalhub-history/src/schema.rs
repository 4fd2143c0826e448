//! The tables, and how an older file gets them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::error::OpenError;

/// Marks the file as ours: "SHL1".
const APPLICATION_ID: i32 = 0x5348_4C31;

/// What makes a file of the next format out of one of each format. An empty file has format 0.
pub(crate) const MIGRATIONS: &[&str] = &["
    CREATE TABLE name (n INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, epoch INTEGER NOT NULL, first INTEGER NOT NULL,
        next INTEGER NOT NULL);
    CREATE TABLE event (s INTEGER PRIMARY KEY, n INTEGER NOT NULL, o INTEGER NOT NULL, at INTEGER NOT NULL, boot INTEGER,
        serial INTEGER, created INTEGER NOT NULL, expires INTEGER, action INTEGER, fingerprint INTEGER, key BLOB, resource TEXT,
        organisation TEXT, sender BLOB, payload BLOB NOT NULL);
    CREATE TABLE run (boot INTEGER PRIMARY KEY, node TEXT NOT NULL);
    CREATE TABLE meta (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;
"];

/// How long a statement waits for a lock of SQLite. Only tools of operators and the end of a checkpoint hold one for longer than a moment.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// Opens the database to write it, and brings it to the latest format.
pub(crate) fn open(file: &Path, migrations: &[&str]) -> Result<Connection, OpenError> {
    let failed = OpenError::sqlite(file);
    let mut connection = open_plain(file).map_err(&failed)?;
    check_version(&connection, file, migrations.len())?;
    // Commits are not synced by SQLite: the writer syncs the WAL when it must be, and runs the checkpoints.
    // A commit writes whole pages, so small pages cost less when events come one at a time. A file keeps the page size that it began with.
    let pragmas = "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; \
                   PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;";
    connection.execute_batch(pragmas).map_err(&failed)?;
    migrate(&mut connection, migrations).map_err(&failed)?;
    Ok(connection)
}

/// Opens the database to write it, as it is.
pub(crate) fn open_plain(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Opens the database to read it.
pub(crate) fn open_to_read(file: &Path) -> Result<Connection, OpenError> {
    let failed = OpenError::sqlite(file);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    Ok(connection)
}

/// Refuses what this version cannot read. Returns the format of the file.
pub(crate) fn check_version(connection: &Connection, file: &Path, known: usize) -> Result<u32, OpenError> {
    let failed = OpenError::sqlite(file);
    let application: i32 = pragma(connection, "application_id").map_err(&failed)?;
    let version: u32 = pragma(connection, "user_version").map_err(&failed)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&failed)?;
    let empty = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION_ID && !empty {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    let known_version = u32::try_from(known).unwrap_or(u32::MAX);
    if version > known_version {
        return Err(OpenError::Newer { file: file.to_owned(), found: version, known: known_version });
    }
    Ok(version)
}

/// Brings the file to the latest format, in one transaction.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let version: u32 = pragma(connection, "user_version")?;
    let missing = migrations.get(version as usize..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", u32::try_from(migrations.len()).unwrap_or(u32::MAX))?;
    transaction.commit()
}

/// Reads the content of all pages; returns the first problem.
pub(crate) fn quick_check(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let answer: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((answer != "ok").then_some(answer))
}

/// How many bytes of the file are used, without what is free for new rows.
pub(crate) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma| {
        let mut statement = connection.prepare_cached(pragma)?;
        statement.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    let used_pages = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    Ok(used_pages * number("PRAGMA page_size")?)
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Reads a value of the table `meta`.
pub(crate) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let value = connection.query_row("SELECT v FROM meta WHERE k = ?1", [key], |row| row.get(0)).optional()?;
    Ok(value.flatten())
}

/// Writes a value of the table `meta`.
pub(crate) fn set_meta(connection: &Connection, key: &str, value: Option<&str>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO meta (k, v) VALUES (?1, ?2)")?;
    statement.execute((key, value)).map(drop)
}

#[cfg(test)]
mod tests;
