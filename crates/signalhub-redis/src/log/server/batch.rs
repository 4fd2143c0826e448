//! Reads what `XREAD` answers, from the bytes of the answer.

use redis::{Value, parse_redis_value};

use super::failed;
use crate::log::keys::Keys;
use crate::log::streams::{Batch, RawEntry, StreamError};
use crate::log::values::{EntryFields, unexpected};
use crate::resp::{Item, Items, Malformed};

/// For how many entries memory is taken before they are read.
const USUAL: usize = 512;

impl From<Malformed> for StreamError {
    fn from(error: Malformed) -> Self {
        Self::Unexpected(error.to_string())
    }
}

/// Reads a whole answer. A name among whose entries is one that no node has written is told apart, and the others are read.
pub(in crate::log) fn read_batch(answer: &[u8], keys: &Keys) -> Result<Batch, StreamError> {
    let mut items = Items::of(answer);
    let streams = match items.item()? {
        Item::Nil => 0,
        Item::Array(streams) => streams,
        Item::Error(_) => return Err(refused(answer)),
        Item::Integer(_) | Item::Text(_) => return Err(unexpected("XREAD")),
    };
    let mut batch = Batch::default();
    for _ in 0..streams {
        if items.array()? != 2 {
            return Err(unexpected("XREAD"));
        }
        let key = std::str::from_utf8(items.text()?).map_err(|_| unexpected("XREAD"))?;
        let Some(name) = keys.name_of_events(key) else {
            let names = parse_redis_value(items.skip()?).map_err(|error| failed(&error))?;
            batch.names = keys.names_of(&names)?;
            continue;
        };
        let from = items.clone();
        match entries(&mut items) {
            Ok(entries) => batch.events.push((name, entries)),
            Err(error) => {
                items = from;
                items.skip()?;
                batch.unreadable.push((name, error));
            }
        }
    }
    Ok(batch)
}

fn entries(items: &mut Items<'_>) -> Result<Vec<RawEntry>, StreamError> {
    let count = match items.item()? {
        Item::Nil => 0,
        Item::Array(count) => count,
        _ => return Err(unexpected("the entries of a stream")),
    };
    let mut entries = Vec::with_capacity(count.min(USUAL));
    for _ in 0..count {
        entries.push(entry(items)?.ok_or_else(|| unexpected("an event"))?);
    }
    Ok(entries)
}

/// Reads an entry. `None` if no node has written it.
fn entry(items: &mut Items<'_>) -> Result<Option<RawEntry>, Malformed> {
    if items.array()? != 2 {
        return Ok(None);
    }
    let (id, count) = (items.text()?, items.array()?);
    if !count.is_multiple_of(2) {
        return Ok(None);
    }
    let mut fields = EntryFields::default();
    for _ in 0..count / 2 {
        let (name, value) = (items.text()?, items.text()?);
        if fields.add(name, value).is_none() {
            return Ok(None);
        }
    }
    Ok(fields.of(id))
}

/// The error that the server answers.
fn refused(answer: &[u8]) -> StreamError {
    match parse_redis_value(answer).map(Value::extract_error) {
        Ok(Err(error)) => failed(&error),
        Ok(Ok(_)) => unexpected("XREAD"),
        Err(error) => failed(&error),
    }
}

#[cfg(test)]
mod tests;
