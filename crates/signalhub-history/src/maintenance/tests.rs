use std::os::unix::fs::FileExt;

use signalhub_events::{Durability, Log};

use super::*;
use crate::NewEpochs;
use crate::disk_log::DiskLog;
use crate::testing::*;

const NAME: &str = "shop.resources.changed";

fn history(directory: &TemporaryDirectory) -> PathBuf {
    directory.path().join("history")
}

#[tokio::test]
async fn the_status_of_a_history_in_use_is_read() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let latest = append_some(&log, NAME, 3).await;
    append(&log, event("b", 1, "12345"), Some(idempotency(1)), Durability::Written).await.unwrap();
    let counts = log.counts().kept;
    let found = status(history(&directory)).unwrap();
    assert_eq!((found.format, found.closed), (1, false));
    assert!(found.wal_bytes > 0 && found.used_bytes > 0 && found.file_bytes >= found.used_bytes / 2, "{found:?}");
    let names: Vec<_> = found.names.iter().map(|name| (name.name.as_str(), name.first, name.events)).collect();
    assert_eq!(names, [(NAME, 1, 3), ("b", 1, 1)]);
    assert_eq!(found.names[0].latest, latest);
    assert!(found.names[0].oldest <= found.names[0].newest && found.names[0].oldest.is_some());
    assert_eq!(found.names.iter().map(|name| name.bytes).sum::<u64>(), counts.bytes);
    log.close();
    let found = status(history(&directory)).unwrap();
    assert_eq!((found.closed, found.wal_bytes), (true, 0));
}

#[tokio::test]
async fn the_status_of_an_empty_history_has_its_positions() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.limits.bytes = 0;
    let log = open(options);
    let latest = append_some(&log, NAME, 3).await;
    log.close();
    let found = status(history(&directory)).unwrap();
    let name = &found.names[0];
    assert_eq!((name.events, name.first, name.latest, name.oldest), (0, 4, latest, None));
}

#[tokio::test]
async fn events_are_exported_in_order() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let latest = append_some(&log, NAME, 4).await;
    append_some(&log, "b", 2).await;
    let export_from = |name: &str, after| {
        let mut exported = Vec::new();
        let each = |position: Position, event: Event| {
            exported.push((position, event));
            Ok(())
        };
        export(history(&directory), &name.into(), after, each).map(|count| (count, exported))
    };
    let error = export_from(NAME, 0).unwrap_err();
    assert!(error.to_string().contains("another process uses this history"), "{error}");
    drop(log);
    let (count, exported) = export_from(NAME, 2).unwrap();
    let expected = [3, 4].map(|offset| (Position::new(latest.epoch(), offset), event(NAME, offset - 1, "{}")));
    assert_eq!((count, &*exported), (2, &expected[..]));
    assert_eq!(export_from(NAME, u64::MAX).unwrap().0, 0);
    let error = export_from("none", 0).unwrap_err();
    assert!(error.to_string().ends_with("the event \"none\" has no history"), "{error}");
    let stop = |_, _| Err(io::Error::other("the pipe is closed"));
    let error = export(history(&directory), &NAME.into(), 0, stop).unwrap_err();
    assert_eq!(error.to_string(), "the pipe is closed");
}

#[test]
fn a_history_that_does_not_exist_is_not_created() {
    let directory = TemporaryDirectory::new();
    let check = |error: &dyn std::fmt::Display| {
        assert!(error.to_string().ends_with("No such file or directory (os error 2)"), "{error}");
        assert!(!history(&directory).exists());
    };
    check(&status(history(&directory)).unwrap_err());
    check(&compact(history(&directory)).unwrap_err());
    check(&export(history(&directory), &NAME.into(), 0, |_, _| Ok(())).unwrap_err());
}

#[tokio::test]
async fn a_compacted_history_is_smaller_and_has_the_same_events() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    let log = open(options.clone());
    for serial in 0..200 {
        append(&log, event(NAME, serial, &"x".repeat(4_000)), None, Durability::Written).await.unwrap();
    }
    log.close();
    options.limits.events = 16;
    let log = open(options.clone());
    let latest = append_some(&log, NAME, 1).await;
    let events = read_all(&log, NAME).await;
    assert!(matches!(compact(history(&directory)), Err(OpenError::Locked { .. })));
    while log.counts().commits < 2 {
        tokio::task::yield_now().await;
    }
    log.close();
    let Compacted { before, after } = compact(history(&directory)).unwrap();
    assert!(after < before / 4, "{before} {after}");
    let log = open(options);
    assert_eq!(log.report().new_epochs, None);
    assert_eq!(read_all(&log, NAME).await, events);
    assert_eq!(append_some(&log, NAME, 1).await, Position::new(latest.epoch(), latest.offset() + 1));
}

#[tokio::test]
async fn a_backup_is_restored_with_new_epochs() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let latest = append_some(&log, NAME, 3).await;
    let backup = directory.path().join("backup");
    // As `sqlite3 history.sqlite "VACUUM INTO 'backup'"` does while the server runs.
    let live = schema::open_to_read(&directory.file()).unwrap();
    live.execute("VACUUM INTO ?1", [backup.to_string_lossy()]).unwrap();
    append_some(&log, NAME, 2).await;
    assert!(matches!(restore(history(&directory), &backup), Err(OpenError::Locked { .. })));
    drop((live, log));
    let aside = restore(history(&directory), &backup).unwrap().unwrap();
    assert!(aside.to_string_lossy().contains("history.sqlite.replaced-"), "{}", aside.display());
    let log = open(directory.options());
    assert_eq!(log.report().new_epochs, Some(NewEpochs::Restored));
    assert_eq!(log.report().events, 3);
    let next = append_some(&log, NAME, 1).await;
    assert_eq!((next.offset(), next.epoch() == latest.epoch()), (4, false));
    drop(log);
    let log = open(directory.options());
    assert_eq!(log.report().new_epochs, None, "once");
    drop(log);
    fs::rename(aside, directory.file()).unwrap();
    assert_eq!(read_all(&open(directory.options()), NAME).await.len(), 5);
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    append_some(&log, NAME, 3).await;
    drop(log);
    let backup = directory.path().join("backup");
    let check = |expected: &str| {
        let error = restore(history(&directory), &backup).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("No such file");
    fs::write(&backup, "").unwrap();
    check("this is a database of another program");
    fs::write(&backup, "a text that is long enough to be taken for the header of a database, but is none at all: no.")
        .unwrap();
    check("expected a backup of a history: file is not a database");
    Connection::open(directory.path().join("other")).unwrap().execute_batch("CREATE TABLE t (c)").unwrap();
    fs::rename(directory.path().join("other"), &backup).unwrap();
    check("this is a database of another program");
    assert_eq!(open(directory.options()).report().events, 3);
}

/// Overwrites pages in the middle of the file.
fn damage(directory: &TemporaryDirectory) {
    let file = OpenOptions::new().write(true).open(directory.file()).unwrap();
    let length = file.metadata().unwrap().len();
    file.write_all_at(&[0xA5; 20_000], length / 2 / 4_096 * 4_096).unwrap();
}

#[tokio::test]
async fn a_damaged_history_is_refused_and_partly_exported_and_reset() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    for serial in 0..100 {
        append(&log, event(NAME, serial, &"x".repeat(1_000)), None, Durability::Written).await.unwrap();
    }
    drop(log);
    damage(&directory);
    let error = DiskLog::open(directory.options()).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    let text = error.to_string();
    let parts =
        ["history.sqlite: the history is damaged", "`signalhub history export`", "`signalhub serve --reset-history`"];
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    let mut exported = 0;
    let each = |_, _| {
        exported += 1;
        Ok(())
    };
    let error = export(history(&directory), &NAME.into(), 0, each).unwrap_err();
    assert!(matches!(error, ExportError::Open(OpenError::Corrupt { .. })), "{error}");
    assert!(exported > 10, "{exported} events before the damage");
    let aside = reset(history(&directory)).unwrap().unwrap();
    assert!(aside.exists() && aside.to_string_lossy().contains("history.sqlite.corrupt-"), "{}", aside.display());
    assert_eq!(reset(history(&directory)).unwrap(), None);
    assert_eq!(open(directory.options()).report().events, 0);
}
