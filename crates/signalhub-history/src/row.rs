//! An event as a row of the table `event`.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Row};
use signalhub_events::{Action, Epoch, Event, EventId, EventName, Idempotency, Organisation, ResourceName};
use time::OffsetDateTime;

/// What a row takes beside its texts: its numbers, their types, and its share of the page.
const BESIDE_CONTENT: u64 = 64;

/// The columns that [`read`] needs, with the offset first.
pub(crate) const COLUMNS: &str =
    "o, boot, serial, created, expires, action, resource, organisation, sender, payload, at";

/// The lengths of the texts of a row, without reading the texts.
pub(crate) const CONTENT_BYTES: &str = "octet_length(payload) + ifnull(octet_length(sender), 0) + \
    ifnull(octet_length(resource), 0) + ifnull(octet_length(organisation), 0)";

/// How many bytes of the publisher are in a row.
pub(crate) fn content_bytes(event: &Event) -> u64 {
    let sender = event.sender.as_ref().map_or(0, Bytes::len);
    let resource = event.resource.as_ref().map_or(0, |resource| resource.as_str().len());
    let organisation = event.organisation.as_ref().map_or(0, |organisation| organisation.as_str().len());
    (event.payload.len() + sender + resource + organisation) as u64
}

/// How many bytes a row is counted with.
pub(crate) const fn row_bytes(content: u64) -> u64 {
    content + BESIDE_CONTENT
}

/// Where an event goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The number of the row.
    pub(crate) row: i64,
    /// The number of the name.
    pub(crate) number: i64,
    /// The offset in the name.
    pub(crate) offset: u64,
    /// When it is written, in milliseconds of Unix time.
    pub(crate) at: i64,
}

/// Writes a row.
pub(crate) fn insert(
    connection: &Connection,
    place: Place,
    event: &Event,
    idempotency: Option<Idempotency>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO event (s, n, o, at, boot, serial, created, expires, action, fingerprint, key, resource, organisation, sender, \
         payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    let Place { row, number, offset, at } = place;
    statement.execute(rusqlite::params![
        row,
        number,
        offset.cast_signed(),
        at,
        event.id.map(|id| id.run().get().cast_signed()),
        event.id.map(|id| id.serial().cast_signed()),
        ticks(event.created),
        event.expires.map(ticks),
        event.action.map(action_number),
        idempotency.map(|idempotency| idempotency.fingerprint.get().cast_signed()),
        idempotency.as_ref().map(|idempotency| idempotency.key.as_bytes().as_slice()),
        event.resource.as_ref().map(ResourceName::as_str),
        event.organisation.as_ref().map(Organisation::as_str),
        event.sender.as_deref(),
        &*event.payload,
    ])?;
    Ok(())
}

/// Reads the offset of a row with [`COLUMNS`].
pub(crate) fn offset(row: &Row<'_>) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(0)?.cast_unsigned())
}

/// Reads the event of a row with [`COLUMNS`]. The node is that of the run in which the event was published.
pub(crate) fn read(
    row: &Row<'_>,
    name: &EventName,
    node: impl FnOnce(Epoch) -> Option<Arc<str>>,
) -> rusqlite::Result<Event> {
    let blob = |value: &[u8]| Bytes::copy_from_slice(value);
    let mut event = Event::new(name.clone(), blob(row.get_ref(9)?.as_blob()?));
    if let (Some(run), Some(serial)) = (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?) {
        let run = Epoch::new(run.cast_unsigned());
        event.id = Some(EventId::new(run, serial.cast_unsigned()));
        event.node = node(run);
    }
    event.created = time_of(row.get(3)?);
    event.expires = row.get::<_, Option<i64>>(4)?.map(time_of);
    event.action = row.get::<_, Option<i64>>(5)?.and_then(action_of);
    event.resource = row.get_ref(6)?.as_str_or_null()?.map(ResourceName::from);
    event.organisation = row.get_ref(7)?.as_str_or_null()?.map(Organisation::from);
    event.sender = row.get_ref(8)?.as_blob_or_null()?.map(blob);
    Ok(event)
}

/// Times are stored in units of 100 ns since 1970, which reach over the whole calendar.
fn ticks(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos().div_euclid(100)).unwrap_or(i64::MAX)
}

fn time_of(ticks: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ticks) * 100).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn action_number(action: Action) -> i64 {
    match action {
        Action::Created => 1,
        Action::Updated => 2,
        Action::Deleted => 3,
        // An action that is added needs a number of its own here; until then its events are stored without it.
        _ => 0,
    }
}

fn action_of(number: i64) -> Option<Action> {
    Action::ALL.into_iter().find(|action| action_number(*action) == number)
}
