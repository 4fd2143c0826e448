//! What a log needs of a Redis server: the streams of events. A simulated server of the tests has the same.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use signalhub_events::{Epoch, EventId, EventName, Fingerprint, IdempotencyKey, Position};

use super::fork::Seen;
use super::write::{Attempt, WriteId};
use crate::dataset::DatasetId;

/// What a call of a server returns.
pub(crate) type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, StreamError>> + Send + 'a>>;

/// Why a call of a server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamError {
    /// There is no connection, so nothing was sent.
    #[error("not connected to Redis")]
    Disconnected,
    /// The connection was lost, or the server did not answer in time: it may have run the command, or may still run it.
    #[error("Redis has not answered: {0}")]
    Unanswered(String),
    /// The server has refused the command, and has done nothing.
    #[error("Redis refuses: {0}")]
    Refused(String),
    /// The server has answered with something else than expected.
    #[error("Redis answers otherwise than expected: {0}")]
    Unexpected(String),
}

/// The commands of publishers and replays, over a link that all tasks share.
pub(crate) trait Streams: fmt::Debug + Send + Sync {
    /// Runs the publish script, and waits for replicas and the disk as the call wants, as far as they come in time.
    fn publish<'a>(&'a self, publish: &'a PublishCall) -> Call<'a, (PublishAnswer, Confirmation)>;

    /// Reads the entries of a name behind the offset `after`, up to the offset `through`.
    fn range<'a>(&'a self, name: &'a EventName, after: u64, through: u64, most: usize) -> Call<'a, Range>;

    /// Sends a message to the node with this name, if it is subscribed.
    fn tell<'a>(&'a self, node: &'a str, message: Vec<u8>) -> Call<'a, ()>;

    /// Removes the events of a name that were created before a time, in units of 100 ns since 1970, and tells how many there were.
    fn trim_by_age<'a>(&'a self, name: &'a EventName, created_before: i64) -> Call<'a, u64>;

    /// Removes the oldest events of a name until the others take about this number of bytes in the memory of the server. Tells how many
    /// were removed, and how many bytes are taken, if the server says so.
    fn trim_to<'a>(&'a self, name: &'a EventName, bytes: u64) -> Call<'a, (u64, Option<u64>)>;

    /// Tells whether this node is the one that trims in this minute.
    fn claims_trim(&self) -> Call<'_, bool>;

    /// Adds names again to the stream of names that are no longer in it.
    fn remind<'a>(&'a self, names: &'a [EventName]) -> Call<'a, ()>;

    /// Waits until everything that was written before is on the disk of the server.
    fn sync(&self) -> Call<'_, ()>;

    /// Opens a connection for a reader.
    fn open(&self) -> Call<'_, Box<dyn StreamReader>>;
}

/// The connection of a reader, which has it for itself.
pub(crate) trait StreamReader: Send {
    /// Asks what identifies the data of the server.
    fn dataset(&mut self) -> Call<'_, DatasetId>;

    /// Reads the names that appeared or began a new epoch behind this entry of the stream of names, the oldest first.
    fn names<'a>(&'a mut self, after: &'a NamesCursor) -> Call<'a, Vec<(NamesCursor, EventName)>>;

    /// Looks at what the server has of some names, each with the offset that was read last. The error of a name says that something else is
    /// in the place of its events.
    fn check<'a>(&'a mut self, names: &'a [(EventName, u64)]) -> Call<'a, Vec<Result<Seen, StreamError>>>;

    /// Begins a new epoch for a name, unless another node has done so since its epoch was seen. Returns the epoch that it has.
    fn reset<'a>(&'a mut self, name: &'a EventName, seen: Option<Epoch>, new: Epoch) -> Call<'a, Epoch>;

    /// Waits up to a second for names and for events of names, each behind the offset that was read last, and returns some of them.
    fn read<'a>(&'a mut self, names: &'a NamesCursor, cursors: &'a [(EventName, u64)]) -> Call<'a, Batch>;
}

/// Where a reader is in the stream of names: the id of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct NamesCursor {
    pub(crate) millis: u64,
    pub(crate) number: u64,
}

impl fmt::Display for NamesCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

impl FromStr for NamesCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (millis, number) = text.split_once('-').ok_or(())?;
        Ok(Self { millis: millis.parse().map_err(drop)?, number: number.parse().map_err(drop)? })
    }
}

/// The arguments of the publish script.
#[derive(Debug, Clone)]
pub(crate) struct PublishCall {
    pub(crate) name: EventName,
    pub(crate) id: EventId,
    pub(crate) entry: Vec<u8>,
    /// About how many events of the name are kept.
    pub(crate) most: u64,
    /// The epoch of the name if it must begin another one than its first.
    pub(crate) new_epoch: Epoch,
    /// The first epoch of the name. A repeat from a node that knew nothing of the name is written in this one only.
    pub(crate) first_epoch: Epoch,
    /// How far this node had read the name before the first attempt, and the write of the event there if that is to be compared.
    pub(crate) floor: Option<Position>,
    pub(crate) tail: Option<WriteId>,
    pub(crate) key: Option<(IdempotencyKey, Fingerprint)>,
    pub(crate) key_lifetime: Duration,
    pub(crate) attempt: Attempt,
    /// How many replicas, and whether the disk, must have it before the answer, as far as they can.
    pub(crate) replicas: u32,
    pub(crate) durable: bool,
}

/// The answer of the publish script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishAnswer {
    /// The event was written.
    Published { position: Position },
    /// It was written as the first one of a new epoch, because the past of the name is not the one that this node has read.
    Forked { position: Position },
    /// This event, or another one with the same key, was written before.
    Duplicate { position: Position, id: EventId, fingerprint: Fingerprint },
    /// The past of the name is not the one that the first attempt was made in, so it is not known whether that was written.
    Unknown,
}

/// What is known of an event beside its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Confirmation {
    /// How many replicas have it, if they were waited for.
    pub(crate) replicas: Option<u64>,
    /// Whether it is known to be on the disk of the server.
    pub(crate) is_durable: bool,
}

/// What an entry of a stream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawEntry {
    pub(crate) offset: u64,
    /// The version of its format.
    pub(crate) version: Cow<'static, str>,
    pub(crate) write: WriteId,
    pub(crate) epoch: Epoch,
    pub(crate) data: Bytes,
}

/// Some entries of a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Range {
    pub(crate) entries: Vec<RawEntry>,
    /// The offset of the first event that is kept, if one is.
    pub(crate) first: Option<u64>,
}

/// What a reader got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Batch {
    pub(crate) names: Vec<(NamesCursor, EventName)>,
    pub(crate) events: Vec<(EventName, Vec<RawEntry>)>,
    /// The names among whose entries is one that no node has written.
    pub(crate) unreadable: Vec<(EventName, StreamError)>,
}
