//! The entry of an event in its stream: one MessagePack array. Readers ignore further items, so that later versions may add some.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use signalhub_events::{Action, Event, EventId, EventName, Organisation, ResourceName, TraceParent, Tracking};
use time::OffsetDateTime;

/// The version of the format that this node writes. It reads no other.
pub(crate) const VERSION: &str = "1";

/// How many items the array has.
const ITEMS: u8 = 10;

/// An event as it is in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) event: Event,
    /// Which publisher wants to know how many subscribers it matches.
    pub(crate) asked: Option<Asked>,
}

/// A publisher that wants the counts of all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The node that collects the answers.
    pub(crate) node: Arc<str>,
    /// Identifies the publish at this node.
    pub(crate) number: u64,
    /// How long nodes wait until the event is written to clients; `None` if the publisher does not want to know that.
    pub(crate) wait: Option<Duration>,
}

impl Asked {
    pub(crate) fn tracking(&self) -> Tracking {
        if self.wait.is_some() { Tracking::On } else { Tracking::Off }
    }
}

/// An entry is not what a node of this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry of a stream cannot be read: {0}")]
pub(crate) struct EntryError(pub(crate) &'static str);

/// Encodes an event.
pub(crate) fn encode(event: &Event, asked: Option<&Asked>) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.payload.len() + 160);
    // An array of at most 15 items.
    out.push(0x90 | ITEMS);
    put_integer(&mut out, ticks(event.created));
    put_optional(&mut out, event.expires, |out, expires| put_integer(out, ticks(expires)));
    put_optional(&mut out, event.resource.as_ref(), |out, name| put_text(out, name.as_str()));
    put_optional(&mut out, event.action, |out, action| put_text(out, action.as_str()));
    put_optional(&mut out, event.organisation.as_ref(), |out, name| put_text(out, name.as_str()));
    put_optional(&mut out, event.sender.as_ref(), |out, sender| put_bytes(out, sender));
    put_bytes(&mut out, &event.payload);
    put_optional(&mut out, event.trace, |out, trace| put_text(out, &trace.to_traceparent()));
    put_optional(&mut out, asked, |out, Asked { node, number, wait }| {
        out.push(0x93);
        put_text(out, node);
        put_integer(out, number.cast_signed());
        put_optional(out, *wait, |out, wait| put_integer(out, i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
    });
    put_optional(&mut out, event.node.as_ref(), |out, node| put_text(out, node));
    out
}

/// Decodes the event of an entry. The payload and the sender share the memory of the entry.
pub(crate) fn decode(name: &EventName, id: EventId, bytes: &Bytes) -> Result<Entry, EntryError> {
    let mut reader = Reader::new(bytes);
    if reader.array()? < u32::from(ITEMS) {
        return Err(EntryError("expected an array of at least 10 items"));
    }
    let created = time_of(reader.integer()?.ok_or(EntryError("expected the time of creation"))?);
    let expires = reader.integer()?.map(time_of);
    let resource = reader.text()?.map(ResourceName::from);
    let action = match reader.text()? {
        None => None,
        Some(text) => Some(action_of(text).ok_or(EntryError("expected an action"))?),
    };
    let organisation = reader.text()?.map(Organisation::from);
    let sender = reader.bytes()?;
    let payload = reader.bytes()?.ok_or(EntryError("expected a payload"))?;
    let trace = reader.text()?.and_then(|text| TraceParent::from_traceparent(text.as_bytes()));
    let asked = reader.asked()?;
    let node = reader.text()?.map(Arc::from);
    let mut event = Event::new(name.clone(), payload).with_created(created).with_trace(trace);
    (event.id, event.node, event.expires) = (Some(id), node, expires);
    (event.resource, event.action, event.organisation, event.sender) = (resource, action, organisation, sender);
    Ok(Entry { event, asked })
}

/// When the event of an entry was created, in units of 100 ns since 1970.
pub(crate) fn created(bytes: &Bytes) -> Option<i64> {
    let mut reader = Reader::new(bytes);
    reader.array().ok()?;
    reader.integer().ok()?
}

/// Times are stored in units of 100 ns since 1970, as precisely as clients are told them.
pub(crate) fn ticks(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos().div_euclid(100)).unwrap_or(i64::MAX)
}

fn time_of(ticks: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ticks) * 100).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn action_of(text: &str) -> Option<Action> {
    Action::ALL.into_iter().find(|action| action.as_str() == text)
}

pub(crate) fn put_optional<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => put(out, value),
        None => out.push(0xc0),
    }
}

pub(crate) fn put_integer(out: &mut Vec<u8>, value: i64) {
    out.push(0xd3);
    out.extend(value.to_be_bytes());
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, 0xdb, text.len());
    out.extend(text.as_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, 0xc6, bytes.len());
    out.extend(bytes);
}

fn put_length(out: &mut Vec<u8>, marker: u8, length: usize) {
    out.push(marker);
    // The body of a publish is far smaller.
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

/// Reads the forms that nodes write, and the shorter ones that another encoder may write for the same values.
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], EntryError> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        self.at += LENGTH;
        found.copied().ok_or(EntryError("it ends early"))
    }

    fn marker(&mut self) -> Result<u8, EntryError> {
        self.take::<1>().map(|[marker]| marker)
    }

    fn length(&mut self, bytes: u8) -> Result<usize, EntryError> {
        let length = match bytes {
            1 => u32::from(u8::from_be_bytes(self.take()?)),
            2 => u32::from(u16::from_be_bytes(self.take()?)),
            _ => u32::from_be_bytes(self.take()?),
        };
        usize::try_from(length).map_err(|_| EntryError("it is too long"))
    }

    pub(crate) fn array(&mut self) -> Result<u32, EntryError> {
        match self.marker()? {
            marker @ 0x90..=0x9f => Ok(u32::from(marker & 0x0f)),
            0xdc => Ok(u32::from(u16::from_be_bytes(self.take()?))),
            0xdd => Ok(u32::from_be_bytes(self.take()?)),
            _ => Err(EntryError("expected an array")),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<Option<i64>, EntryError> {
        let too_large = |_| EntryError("expected a smaller integer");
        Ok(Some(match self.marker()? {
            0xc0 => return Ok(None),
            marker @ 0x00..=0x7f => i64::from(marker),
            marker @ 0xe0..=0xff => i64::from(marker.cast_signed()),
            0xcc => i64::from(u8::from_be_bytes(self.take()?)),
            0xcd => i64::from(u16::from_be_bytes(self.take()?)),
            0xce => i64::from(u32::from_be_bytes(self.take()?)),
            0xcf => i64::try_from(u64::from_be_bytes(self.take()?)).map_err(too_large)?,
            0xd0 => i64::from(i8::from_be_bytes(self.take()?)),
            0xd1 => i64::from(i16::from_be_bytes(self.take()?)),
            0xd2 => i64::from(i32::from_be_bytes(self.take()?)),
            0xd3 => i64::from_be_bytes(self.take()?),
            _ => return Err(EntryError("expected an integer or nil")),
        }))
    }

    /// Goes on behind this number of bytes, and returns where they are.
    fn range(&mut self, length: usize) -> Result<Range<usize>, EntryError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(EntryError("it ends early"))?;
        Ok(std::mem::replace(&mut self.at, end)..end)
    }

    pub(crate) fn bytes(&mut self) -> Result<Option<Bytes>, EntryError> {
        let length = match self.marker()? {
            0xc0 => return Ok(None),
            marker @ 0xc4..=0xc6 => self.length(1 << (marker - 0xc4))?,
            _ => return Err(EntryError("expected bytes or nil")),
        };
        self.range(length).map(|range| Some(self.bytes.slice(range)))
    }

    pub(crate) fn text(&mut self) -> Result<Option<&'a str>, EntryError> {
        let length = match self.marker()? {
            0xc0 => return Ok(None),
            marker @ 0xa0..=0xbf => usize::from(marker & 0x1f),
            marker @ 0xd9..=0xdb => self.length(1 << (marker - 0xd9))?,
            _ => return Err(EntryError("expected a text or nil")),
        };
        let text = &self.bytes[self.range(length)?];
        std::str::from_utf8(text).map(Some).map_err(|_| EntryError("expected UTF-8"))
    }

    fn asked(&mut self) -> Result<Option<Asked>, EntryError> {
        if self.bytes.get(self.at) == Some(&0xc0) {
            self.at += 1;
            return Ok(None);
        }
        if self.array()? != 3 {
            return Err(EntryError("expected a node, a number and a time"));
        }
        let node = self.text()?.map(Arc::from).ok_or(EntryError("expected a node"))?;
        let number = self.integer()?.ok_or(EntryError("expected a number"))?.cast_unsigned();
        let wait = self.integer()?.map(|wait| Duration::from_millis(u64::try_from(wait).unwrap_or_default()));
        Ok(Some(Asked { node, number, wait }))
    }
}

#[cfg(test)]
mod tests;
