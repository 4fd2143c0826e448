//! Brings the events of all nodes in, in the order of their offsets.
//!
//! It has a connection of its own, for one `XREAD` over all names. Before it reads, after every connection and every few seconds, it checks that
//! Redis still has the past that was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use signalhub_events::{Arrival, BrokerClosed, Epoch, EventName, GapReason, Missed, Position, SharedEvents};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::answers;
use super::entry::{self, Entry};
use super::fork::{Cursor, LeftEpochs, Seen, Verdict};
use super::keys::Keys;
use super::publisher::random_epoch;
use super::streams::{Batch, NamesCursor, RawEntry, StreamError, StreamReader};
use super::{Inner, Shard};
use crate::link::backoff::Backoff;

/// How often all names are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How often the stream of names is read from its start, in case it was replaced by one with lower ids.
const NAMES_INTERVAL: Duration = Duration::from_secs(60);

/// How many names are checked at once.
const CHECKED_AT_ONCE: usize = 256;

/// After a read that brings this number of events there is no pause: more are waiting.
const MANY: usize = 256;

/// Why a reader stops.
enum Stopped {
    /// The broker has ended.
    Closed,
    /// The server cannot be read now.
    Stream(StreamError),
}

impl From<StreamError> for Stopped {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl From<BrokerClosed> for Stopped {
    fn from(_: BrokerClosed) -> Self {
        Self::Closed
    }
}

/// Brings events in until the broker ends.
pub(super) async fn run(inner: Arc<Inner>, shard: Arc<Shard>, events: SharedEvents) {
    let (names, due, left) = (NamesCursor::default(), BTreeMap::new(), BTreeMap::new());
    let (unread, problems) = (BTreeSet::new(), BTreeMap::new());
    let mut reader = Reader { inner, shard, events, names, due, left, unread, problems, unreadable: None };
    let mut backoff = Backoff::default();
    loop {
        let begun = Instant::now();
        match reader.read_until_lost().await {
            Err(Stopped::Closed) => return,
            Err(Stopped::Stream(error @ (StreamError::Refused(_) | StreamError::Unexpected(_)))) => {
                tracing::warn!(%error, "the events of other nodes cannot be read");
            }
            Err(Stopped::Stream(error)) => tracing::debug!(%error, "the events of other nodes cannot be read"),
            Ok(never) => match never {},
        }
        if begun.elapsed() > CHECK_INTERVAL {
            backoff = Backoff::default();
        }
        sleep(backoff.next()).await;
    }
}

struct Reader {
    inner: Arc<Inner>,
    shard: Arc<Shard>,
    events: SharedEvents,
    /// How far the stream of names was read.
    names: NamesCursor,
    /// The names that are to be checked before more of them is read, with the offset of an event that does not follow the last one.
    due: BTreeMap<EventName, Option<u64>>,
    left: BTreeMap<EventName, LeftEpochs>,
    /// The names that are not read until the next check, because something that no node writes is in the place of their events.
    unread: BTreeSet<EventName>,
    /// What was logged of such names, until one of their events is read.
    problems: BTreeMap<EventName, StreamError>,
    /// The event of an unknown format that was logged last. It is read again and again.
    unreadable: Option<(EventName, u64)>,
}

/// What became of an entry.
enum Taken {
    Offered,
    /// It does not follow what was read last.
    Other,
}

impl Reader {
    async fn read_until_lost(&mut self) -> Result<std::convert::Infallible, Stopped> {
        let mut stream = self.shard.streams.open().await?;
        self.shard.read_dataset(&mut *stream).await?;
        self.read_names(&mut *stream).await?;
        let (mut checked, mut names_read) = (Instant::now(), Instant::now());
        self.check_all(&mut *stream).await?;
        loop {
            let cursors = self.cursors();
            let batch = stream.read(&self.names, &cursors).await?;
            let count = batch.events.iter().map(|(_, entries)| entries.len()).sum();
            self.take(batch).await?;
            if names_read.elapsed() >= NAMES_INTERVAL {
                self.read_names(&mut *stream).await?;
                names_read = Instant::now();
            }
            if checked.elapsed() >= CHECK_INTERVAL {
                self.shard.read_dataset(&mut *stream).await?;
                self.check_all(&mut *stream).await?;
                checked = Instant::now();
            } else if !self.due.is_empty() {
                self.check(&mut *stream).await?;
            }
            if (1..MANY).contains(&count) && !self.events.has_receivers()? {
                self.shard.pause.begin().await;
            }
        }
    }

    /// Reads all of the stream of names.
    async fn read_names(&mut self, stream: &mut dyn StreamReader) -> Result<(), Stopped> {
        self.names = NamesCursor::default();
        let names = stream.names(&self.names).await?;
        self.shard.look_at_all();
        let known: BTreeSet<_> = self.shard.lock().keys().cloned().collect();
        for (cursor, name) in names {
            self.names = self.names.max(cursor);
            if !known.contains(&name) {
                self.add(name);
            }
        }
        Ok(())
    }

    /// The names to read, each with how far it was read.
    fn cursors(&self) -> Vec<(EventName, u64)> {
        let states = self.shard.lock();
        let readable = states.iter().filter(|(name, _)| !self.unread.contains(*name));
        readable.map(|(name, state)| (name.clone(), state.cursor.offset)).collect()
    }

    /// Reads no more of a name until the next check. The other names are read as before.
    fn leave_out(&mut self, name: EventName, error: StreamError) {
        if self.cursor(&name).is_none() {
            self.shard.skip(&name, &error.into());
            return;
        }
        if self.problems.get(&name) != Some(&error) {
            let keys = Keys::new(&*self.inner.options.prefix);
            tracing::error!(
                event = %name, %error, description = keys.meta(&name), events = keys.events(&name),
                "this node reads no further events of this name: something else is in their place in Redis. If you remove both keys, the name begins anew, and its clients are told of a gap"
            );
            self.problems.insert(name.clone(), error);
        }
        self.unread.insert(name);
    }

    /// Looks at a name before more of it is read.
    fn add(&mut self, name: EventName) {
        self.due.entry(name).or_default();
    }

    async fn take(&mut self, batch: Batch) -> Result<(), Stopped> {
        for (cursor, name) in batch.names {
            self.names = self.names.max(cursor);
            self.add(name);
        }
        for (name, error) in batch.unreadable {
            self.leave_out(name, error);
        }
        for (name, entries) in batch.events {
            if self.due.contains_key(&name) {
                continue;
            }
            for raw in entries {
                let offset = raw.offset;
                if let Taken::Other = self.take_entry(&name, raw).await? {
                    self.due.insert(name, Some(offset));
                    break;
                }
            }
        }
        Ok(())
    }

    async fn take_entry(&mut self, name: &EventName, raw: RawEntry) -> Result<Taken, Stopped> {
        if raw.version != entry::VERSION {
            let text = format!("an event of \"{name}\" has the format \"{}\"", raw.version);
            let unreadable = Some((name.clone(), raw.offset));
            if self.unreadable != unreadable {
                tracing::error!(event = %name, offset = raw.offset, format = &*raw.version, "this node reads no further: a newer version writes events that it cannot read");
                self.unreadable = unreadable;
            }
            return Err(StreamError::Unexpected(text).into());
        }
        let Some(cursor) = self.cursor(name) else { return Ok(Taken::Other) };
        let Some(position) = cursor.position() else { return Ok(Taken::Other) };
        if raw.epoch != position.epoch() || raw.offset != position.offset() + 1 {
            return Ok(Taken::Other);
        }
        let next = Position::new(raw.epoch, raw.offset);
        match entry::decode(name, raw.write.event, &raw.data) {
            Ok(Entry { event, asked }) => {
                let lag = OffsetDateTime::now_utc() - event.created;
                let mut arrival = Arrival::new(Arc::new(event), next);
                arrival.tracking = asked.as_ref().map(entry::Asked::tracking).unwrap_or_default();
                let arrived = self.events.arrived(arrival).await?;
                self.inner.counts.read_event(lag.try_into().unwrap_or_default());
                if let Some(asked) = asked {
                    // It may publish more.
                    self.shard.pause.end();
                    answers::answer(&self.inner.answers, &self.shard.streams, asked, arrived);
                }
            }
            Err(error) => {
                tracing::error!(event = %name, position = %next, %error, "an event is missing on this node");
                self.miss(name, position, next, GapReason::Unavailable).await?;
            }
        }
        self.set_cursor(name, Cursor::at(next, Some(raw.write)));
        if !self.problems.is_empty() {
            self.problems.remove(name);
        }
        Ok(Taken::Offered)
    }

    fn cursor(&self, name: &EventName) -> Option<Cursor> {
        self.shard.lock().get(name).map(|state| state.cursor)
    }

    fn set_cursor(&self, name: &EventName, cursor: Cursor) {
        if let Some(state) = self.shard.lock().get_mut(name) {
            state.cursor = cursor;
        }
    }

    async fn check_all(&mut self, stream: &mut dyn StreamReader) -> Result<(), Stopped> {
        let names: Vec<_> = self.shard.lock().keys().cloned().collect();
        self.unread.clear();
        for name in names {
            self.due.entry(name).or_default();
        }
        self.check(stream).await
    }

    /// Checks the names that are due.
    async fn check(&mut self, stream: &mut dyn StreamReader) -> Result<(), Stopped> {
        while !self.due.is_empty() {
            let some: Vec<_> =
                self.due.iter().take(CHECKED_AT_ONCE).map(|(name, hole)| (name.clone(), *hole)).collect();
            let names: Vec<_> =
                some.iter().map(|(name, _)| (name.clone(), self.cursor(name).unwrap_or_default().offset)).collect();
            let seen = stream.check(&names).await?;
            for ((name, hole), seen) in some.into_iter().zip(seen) {
                match seen {
                    Ok(seen) => self.follow(stream, &name, hole, seen).await?,
                    Err(error) => self.leave_out(name.clone(), error),
                }
                self.due.remove(&name);
            }
        }
        Ok(())
    }

    /// Goes on as Redis has a name. `hole` is the offset of an event that does not follow the last one.
    async fn follow(
        &mut self,
        stream: &mut dyn StreamReader,
        name: &EventName,
        hole: Option<u64>,
        seen: Seen,
    ) -> Result<(), Stopped> {
        let cursor = self.cursor(name).unwrap_or_default();
        let verdict = cursor.judge(&seen);
        let verdict = self.left.get(name).map_or(verdict, |left| left.correct(verdict));
        if verdict == Verdict::Absent {
            self.shard.remove(name, &self.events);
            return Ok(());
        }
        if let Err(skipped) = self.inner.take_in(&self.shard, name, &self.events) {
            self.shard.skip(name, &skipped);
            return Ok(());
        }
        let has_unknown_past = self.shard.looked_at(name, &seen);
        // An event of another epoch is there, where the description of the name has the one that was read.
        let is_mixed = |from: Position| hole == Some(from.offset() + 1);
        match (verdict, cursor.position()) {
            (Verdict::Begun(epoch), _) => {
                self.begin(name, epoch)?;
                if has_unknown_past && seen.top > 0 {
                    self.jump(name, Position::new(epoch, 0), seen.top, GapReason::Unavailable).await?;
                }
            }
            (Verdict::NewEpoch(epoch), _) => self.fork(name, cursor, seen.top, epoch).await?,
            (Verdict::Forked, None) => {
                let epoch = stream.reset(name, seen.epoch, random_epoch()).await?;
                self.begin(name, epoch)?;
            }
            (Verdict::Forked, Some(_)) => {
                let epoch = stream.reset(name, seen.epoch, random_epoch()).await?;
                self.fork(name, cursor, seen.top, epoch).await?;
            }
            (Verdict::Same, Some(from)) if is_mixed(from) => {
                let epoch = stream.reset(name, seen.epoch, random_epoch()).await?;
                self.fork(name, cursor, seen.top, epoch).await?;
            }
            (Verdict::Trimmed(through), Some(from)) => self.jump(name, from, through, GapReason::Trimmed).await?,
            // Entries between the two were removed one by one, which no node does.
            (Verdict::Same, Some(from)) if hole.is_some_and(|hole| hole > from.offset() + 1) => {
                self.jump(name, from, hole.unwrap_or_default() - 1, GapReason::Trimmed).await?;
            }
            (Verdict::Absent | Verdict::Same | Verdict::Trimmed(_), _) => {}
        }
        Ok(())
    }

    /// Begins to read a name.
    fn begin(&self, name: &EventName, epoch: Epoch) -> Result<(), BrokerClosed> {
        let position = Position::new(epoch, 0);
        self.set_cursor(name, Cursor::at(position, None));
        self.events.begun(name.clone(), position)
    }

    /// Goes on in another epoch, from its start.
    async fn fork(&mut self, name: &EventName, cursor: Cursor, top: u64, epoch: Epoch) -> Result<(), Stopped> {
        let now = Position::new(epoch, 0);
        let Some(from) = cursor.position() else { return Ok(()) };
        tracing::error!(event = %name, read = from.offset(), kept = top, position = %now, "Redis has another past of an event: its positions begin anew");
        self.inner.counts.fork();
        self.miss(name, from, now, GapReason::Epoch).await?;
        self.set_cursor(name, Cursor::at(now, None));
        self.left.entry(name.clone()).or_default().leave(from.epoch());
        Ok(())
    }

    /// Goes on behind events that cannot be offered.
    async fn jump(&self, name: &EventName, from: Position, through: u64, reason: GapReason) -> Result<(), Stopped> {
        let now = Position::new(from.epoch(), through);
        match reason {
            GapReason::Trimmed => {
                tracing::warn!(event = %name, %from, %now, "events were removed before this node has read them");
            }
            _ => tracing::warn!(event = %name, %from, %now, "this node goes on behind events that it could not read"),
        }
        self.miss(name, from, now, reason).await?;
        self.set_cursor(name, Cursor::at(now, None));
        Ok(())
    }

    async fn miss(
        &self,
        name: &EventName,
        from: Position,
        now: Position,
        reason: GapReason,
    ) -> Result<(), BrokerClosed> {
        self.inner.counts.gap();
        let mut missed = Missed::new(name.clone(), from, now, reason);
        missed.untold = self.inner.options.untold;
        self.events.missed(missed).await
    }
}
