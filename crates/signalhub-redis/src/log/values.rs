//! Reads the answers of Redis.

use bytes::Bytes;
use redis::Value;
use signalhub_events::Epoch;

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

/// Reads the entries of events. Every node reads every event, so the data is not copied, and the fields are looked at once.
pub(super) fn entries(answer: Value) -> Result<Vec<RawEntry>, StreamError> {
    match answer {
        Value::Array(items) => {
            items.into_iter().map(|item| entry(item).ok_or_else(|| unexpected("an event"))).collect()
        }
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected("the entries of a stream")),
    }
}

fn entry(item: Value) -> Option<RawEntry> {
    let Value::Array(parts) = item else { return None };
    let [id, Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    let (mut version, mut event, mut attempt, mut epoch, mut data) = (None, None, None, None, None);
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match (text_of(&name), value) {
            (Some("d"), Value::BulkString(bytes)) => data = Some(Bytes::from(bytes)),
            (Some("v"), Value::BulkString(bytes)) => version = String::from_utf8(bytes).ok(),
            (Some("i"), value) => event = text_of(&value)?.parse().ok(),
            (Some("a"), value) => attempt = text_of(&value)?.parse().ok(),
            (Some("p"), value) => epoch = epoch_of(text_of(&value)?),
            // A later version may add fields.
            _ => {}
        }
    }
    Some(RawEntry {
        offset: offset_of(text_of(&id)?.split_once('-')?.0)?,
        version: version?,
        write: WriteId { event: event?, attempt: Attempt(attempt?) },
        epoch: epoch?,
        data: data?,
    })
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
