use super::*;
use crate::schema::{self, MIGRATIONS};
use crate::testing::{TemporaryDirectory, append_some, open};
use crate::{DiskLog, OpenError};

/// The first offset, the next one, the number of rows below the first one, of a file with these rows of one name.
fn load(first: u64, next: u64, offsets: &[u64]) -> (u64, u64, usize) {
    let directory = TemporaryDirectory::new();
    let file = directory.path().join("history.sqlite");
    std::fs::write(&file, "").unwrap();
    let connection = schema::open(&file, MIGRATIONS).unwrap();
    let (first, next) = (first.cast_signed(), next.cast_signed());
    connection.execute("INSERT INTO name VALUES (5, 'a', -1, ?1, ?2)", (first, next)).unwrap();
    for (row, offset) in (10..).zip(offsets) {
        let sql = "INSERT INTO event (s, n, o, at, created, payload) VALUES (?1, 5, ?2, 1000 + ?1, 0, x'00')";
        connection.execute(sql, (row, offset.cast_signed())).unwrap();
    }
    let loaded = Loaded::read(&connection, &directory.options(), 0).unwrap();
    let rows = if offsets.is_empty() { (1, 0) } else { (10 + offsets.len() as i64, 1_009 + offsets.len() as i64) };
    assert_eq!((loaded.next_row, loaded.latest), rows);
    let name = loaded.names.get(&"a".into()).unwrap();
    assert_eq!((name.number, name.epoch), (5, Epoch::new(u64::MAX)));
    let below = loaded.below.iter().map(|(_, removed)| removed.events).sum::<u64>();
    (name.blocks.first(), name.blocks.next(), below.try_into().unwrap())
}

#[test]
fn the_next_offset_is_that_behind_the_last_row_or_the_one_that_was_written() {
    assert_eq!(load(1, 1, &[]), (1, 1, 0));
    assert_eq!(load(1, 1, &[1, 2, 3]), (1, 4, 0));
    assert_eq!(load(8, 8, &[]), (8, 8, 0));
    assert_eq!(load(8, 9, &[8]), (8, 9, 0));
    assert_eq!(load(8, 9, &[8, 9, 10]), (8, 11, 0));
}

#[test]
fn rows_that_are_not_followed_by_all_others_are_not_stored() {
    assert_eq!(load(5, 5, &[3, 4, 5, 6]), (5, 7, 2));
    assert_eq!(load(1, 1, &[1, 2, 5, 6]), (5, 7, 2));
    assert_eq!(load(1, 9, &[1, 2, 3]), (9, 9, 3));
    assert_eq!(load(3, 3, &[5, 6]), (5, 7, 0));
}

#[test]
fn the_times_of_keys_may_be_in_the_future() {
    let row = |at, key: bool| Scanned {
        row: 1,
        number: 1,
        offset: 4,
        at,
        id: Some(EventId::new(Epoch::new(3), 9)),
        idempotency: key.then(|| crate::testing::idempotency(1)),
        bytes: 1,
    };
    let window = Duration::from_millis(1_000);
    let check = |at, key, expected: Option<u64>| {
        let found = publish(&row(at, key), Epoch::new(2), 10_000, window);
        assert_eq!(found.map(|publish| publish.age), expected.map(Duration::from_millis), "{at}");
    };
    check(9_500, true, Some(500));
    check(9_500, false, None);
    check(9_001, true, Some(999));
    check(9_000, true, None);
    check(20_000, true, Some(0));
}

#[tokio::test]
async fn a_file_with_values_that_no_server_writes_is_damaged() {
    for change in [
        "UPDATE name SET next = -1",
        "UPDATE name SET first = 9223372036854775807",
        "UPDATE name SET n = 9223372036854775807",
        "UPDATE name SET epoch = 'x'",
        "UPDATE name SET name = x'ff'",
        "UPDATE event SET o = -1 WHERE s = 3",
        "UPDATE event SET o = 9223372036854775807 WHERE s = 3",
        "UPDATE event SET s = 9223372036854775807 WHERE s = 3",
        "UPDATE run SET node = x'ff'",
    ] {
        let directory = TemporaryDirectory::new();
        append_some(&open(directory.options()), "a", 3).await;
        assert_ne!(Connection::open(directory.file()).unwrap().execute(change, []).unwrap(), 0, "{change}");
        let error = DiskLog::open(directory.options()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{change}: {error}");
    }
}
