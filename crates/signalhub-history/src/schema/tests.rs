use std::path::PathBuf;

use super::*;
use crate::testing::TemporaryDirectory;

fn database(directory: &TemporaryDirectory, sql: &str) -> PathBuf {
    let file = directory.path().join("history.sqlite");
    Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    file
}

#[test]
fn an_older_format_is_migrated() {
    let directory = TemporaryDirectory::new();
    let file = database(
        &directory,
        "PRAGMA application_id = 0x53484C31; PRAGMA user_version = 1; CREATE TABLE note (text TEXT); INSERT INTO note VALUES ('kept')",
    );
    let steps = ["never run", "ALTER TABLE note ADD COLUMN length INTEGER", "UPDATE note SET length = length(text)"];
    let connection = open(&file, &steps).unwrap();
    let read = |connection: &Connection| {
        connection.query_row("SELECT text, length FROM note", [], |row| Ok((row.get(0)?, row.get(1)?)))
    };
    assert_eq!(read(&connection).unwrap(), ("kept".to_owned(), 4));
    assert_eq!(check_version(&connection, &file, 3).unwrap(), 3);
    drop(connection);
    assert_eq!(read(&open(&file, &steps).unwrap()).unwrap(), ("kept".to_owned(), 4));
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let directory = TemporaryDirectory::new();
    let file = database(
        &directory,
        "PRAGMA application_id = 0x53484C31; PRAGMA user_version = 1; CREATE TABLE note (text TEXT)",
    );
    let error = open(&file, &["", "DROP TABLE note", "no SQL"]).unwrap_err();
    assert!(matches!(error, OpenError::Failed { .. }), "{error}");
    assert!(open(&file, &["", "INSERT INTO note VALUES ('still there')"]).is_ok());
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let directory = TemporaryDirectory::new();
    let file = database(&directory, "PRAGMA application_id = 0x53484C31; PRAGMA user_version = 9");
    let error = open(&file, MIGRATIONS).unwrap_err();
    assert!(error.to_string().ends_with("the history has format 9, and this version reads formats up to 1"), "{error}");
}

#[test]
fn a_database_of_another_program_is_refused() {
    let check = |sql: &str| {
        let directory = TemporaryDirectory::new();
        let error = open(&database(&directory, sql), MIGRATIONS).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    };
    check("CREATE TABLE event (s INTEGER PRIMARY KEY)");
    check("PRAGMA application_id = 5; PRAGMA user_version = 1");
    check("PRAGMA user_version = 1");
}

#[test]
fn an_empty_file_gets_the_tables() {
    let directory = TemporaryDirectory::new();
    let connection = open(&database(&directory, ""), MIGRATIONS).unwrap();
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("application_id"), pragma("user_version")), (0x5348_4C31, 1));
    assert_eq!((pragma("synchronous"), pragma("wal_autocheckpoint")), (1, 0));
    assert_eq!(quick_check(&connection).unwrap(), None);
}
