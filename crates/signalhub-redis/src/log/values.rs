//! Reads the answers of Redis.

use bytes::Bytes;
use redis::Value;
use signalhub_events::Epoch;

use super::fork::Seen;
use super::streams::{RawEntry, StreamError};
use super::write::{Attempt, WriteId};

/// Reads an epoch: 16 hexadecimal digits.
pub(super) fn epoch_of(text: &str) -> Option<Epoch> {
    u64::from_str_radix(text, 16).ok().map(Epoch::new)
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
pub(super) fn entries(answer: &Value) -> Result<Vec<RawEntry>, StreamError> {
    let entry = |(id, fields): (&str, &[Value])| {
        let text = |name| field(fields, name).and_then(text_of);
        let Some(Value::BulkString(data)) = field(fields, "d") else { return None };
        Some(RawEntry {
            offset: id.split_once('-')?.0.parse().ok()?,
            version: text("v")?.to_owned(),
            write: WriteId { event: text("i")?.parse().ok()?, attempt: Attempt(text("a")?.parse().ok()?) },
            epoch: epoch_of(text("p")?)?,
            data: Bytes::copy_from_slice(data),
        })
    };
    raw_entries(answer)?.into_iter().map(|raw| entry(raw).ok_or_else(|| unexpected("an event"))).collect()
}

/// What a check of a name has found.
pub(super) fn seen(offset: u64, meta: &Value, at_cursor: &Value, first: &Value) -> Result<Seen, StreamError> {
    let Value::Array(meta) = meta else { return Err(unexpected("HMGET")) };
    let text = |index: usize| meta.get(index).and_then(text_of);
    let epoch = text(0).map(|text| epoch_of(text).ok_or_else(|| unexpected("an epoch"))).transpose()?;
    let top = text(1).map_or(Ok(0), |text| text.parse().map_err(|_| unexpected("an offset")))?;
    // The description of a name has the write of its latest event, also when that was removed.
    let latest = text(2).filter(|_| top == offset).and_then(|text| text.parse().ok());
    let at_cursor = entries(at_cursor)?.first().map(|entry| entry.write).or(latest);
    let first = entries(first)?.first().map(|entry| entry.offset);
    Ok(Seen { epoch, top, at_cursor, first })
}
