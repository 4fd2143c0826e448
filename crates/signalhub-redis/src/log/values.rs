//! Reads the answers of Redis.

use std::borrow::Cow;

use bytes::Bytes;
use redis::Value;
use signalhub_events::{Epoch, EventId};

use super::entry::VERSION;
use super::fork::Seen;
use super::streams::{RawEntry, StreamError};
use super::write::{Attempt, WriteId};

/// Reads an epoch: 16 hexadecimal digits, as the scripts write it.
pub(super) fn epoch_of(text: &str) -> Option<Epoch> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_epoch = text.len() == 16 && text.bytes().all(is_digit);
    is_epoch.then(|| u64::from_str_radix(text, 16).ok().map(Epoch::new)).flatten()
}

/// The highest offset: the scripts write larger numbers with an exponent.
const LAST_OFFSET: u64 = 99_999_999_999_999;

/// Reads an offset that a script can have given.
fn offset_of(text: &str) -> Option<u64> {
    text.parse().ok().filter(|offset| *offset <= LAST_OFFSET)
}

/// The text of a value.
pub(super) fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

pub(super) fn unexpected(what: &str) -> StreamError {
    StreamError::Unexpected(what.to_owned())
}

/// The ids and the fields of entries.
pub(super) fn raw_entries(answer: &Value) -> Result<Vec<(&str, &[Value])>, StreamError> {
    let unexpected = || unexpected("the entries of a stream");
    match answer {
        Value::Array(items) => items.iter().map(|item| raw_entry(item).ok_or_else(unexpected)).collect(),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected()),
    }
}

fn raw_entry(item: &Value) -> Option<(&str, &[Value])> {
    let Value::Array(parts) = item else { return None };
    let [id, Value::Array(fields)] = &parts[..] else { return None };
    Some((text_of(id)?, &fields[..]))
}

pub(super) fn field<'a>(fields: &'a [Value], name: &str) -> Option<&'a Value> {
    fields.chunks_exact(2).find(|pair| text_of(&pair[0]) == Some(name)).map(|pair| &pair[1])
}

/// Reads the entries of events.
pub(super) fn entries(answer: Value) -> Result<Vec<RawEntry>, StreamError> {
    match answer {
        Value::Array(items) => items.iter().map(|item| entry(item).ok_or_else(|| unexpected("an event"))).collect(),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected("the entries of a stream")),
    }
}

fn entry(item: &Value) -> Option<RawEntry> {
    let (id, values) = raw_entry(item)?;
    let mut fields = EntryFields::default();
    for pair in values.chunks(2) {
        let [Value::BulkString(name), Value::BulkString(value)] = pair else { return None };
        fields.add(name, value)?;
    }
    fields.of(id.as_bytes())
}

/// The fields of an entry of an event, as they are read.
#[derive(Default)]
pub(super) struct EntryFields {
    version: Option<Cow<'static, str>>,
    event: Option<EventId>,
    attempt: Option<Attempt>,
    epoch: Option<Epoch>,
    data: Option<Bytes>,
}

impl EntryFields {
    /// Takes a field in. `None` if no node has written it.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        match name {
            b"d" => self.data = Some(Bytes::copy_from_slice(value)),
            b"v" if value == VERSION.as_bytes() => self.version = Some(Cow::Borrowed(VERSION)),
            b"v" => self.version = Some(Cow::Owned(text(value)?.to_owned())),
            b"i" => self.event = Some(text(value)?.parse().ok()?),
            b"a" => self.attempt = Some(Attempt(text(value)?.parse().ok()?)),
            b"p" => self.epoch = Some(epoch_of(text(value)?)?),
            // A later version may add fields.
            _ => {}
        }
        Some(())
    }

    /// The entry with this id, if all fields are there.
    pub(super) fn of(self, id: &[u8]) -> Option<RawEntry> {
        Some(RawEntry {
            offset: offset_of(text(id)?.split_once('-')?.0)?,
            version: self.version?,
            write: WriteId { event: self.event?, attempt: self.attempt? },
            epoch: self.epoch?,
            data: self.data?,
        })
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What a check of a name has found.
pub(super) fn seen(offset: u64, meta: &Value, at_cursor: Value, first: Value) -> Result<Seen, StreamError> {
    let Value::Array(meta) = meta else { return Err(unexpected("HMGET")) };
    let text = |index: usize| meta.get(index).and_then(text_of);
    let top = text(1).map_or(Some(0), offset_of);
    // The scripts read a description that no script has written as none.
    let (epoch, top) = text(0).and_then(epoch_of).zip(top).map_or((None, 0), |(epoch, top)| (Some(epoch), top));
    // The description of a name has the write of its latest event, also when that was removed.
    let latest = text(2).filter(|_| top == offset).and_then(|text| text.parse().ok());
    let at_cursor = entries(at_cursor)?.first().map(|entry| entry.write).or(latest);
    let first = entries(first)?.first().map(|entry| entry.offset);
    Ok(Seen { epoch, top, at_cursor, first })
}
