//! A simulated Redis: the same streams and scripts in memory, with every fault that a test asks for. A test compares it with a real server.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use signalhub_events::{Epoch, EventId, EventName, Fingerprint, Position};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::fork::Seen;
use super::script::SEARCHED;
use super::streams::{
    Batch, Call, Confirmation, NamesCursor, PublishAnswer, PublishCall, Range, RawEntry, StreamError, StreamReader,
    Streams,
};
use super::write::{Attempt, WriteId};
use crate::dataset::DatasetId;

/// The keys of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Keyspace {
    dataset: Option<DatasetId>,
    /// The epoch, the offset of the latest event, and its write.
    meta: BTreeMap<EventName, (Epoch, u64, Option<WriteId>)>,
    events: BTreeMap<EventName, Vec<RawEntry>>,
    keys: BTreeMap<String, PublishAnswer>,
    names: Vec<(NamesCursor, EventName)>,
    /// All events that were written, those that were removed since too, but not those that were lost. A real server does not have this.
    written: HashSet<(Position, EventId)>,
}

impl Keyspace {
    pub(super) fn dataset(&mut self, new: DatasetId) -> DatasetId {
        *self.dataset.get_or_insert(new)
    }

    /// Takes what identifies the data from another server.
    pub(super) fn identify(&mut self, dataset: Option<DatasetId>) {
        self.dataset = dataset;
    }

    /// Runs the publish script.
    pub(super) fn publish(&mut self, call: &PublishCall, now: u64) -> PublishAnswer {
        let key = match &call.key {
            Some((key, _)) => format!("{key:?}"),
            None => call.id.to_string(),
        };
        if let Some(known) = self.keys.get(&key) {
            return *known;
        }
        let fingerprint = call.key.map_or(Fingerprint::new(0), |(_, fingerprint)| fingerprint);
        let floor_epoch = call.floor.map(|floor| floor.epoch());
        let mut floor = call.floor.map_or(0, |floor| floor.offset());
        let mut meta = self.meta.get(&call.name).copied();
        let repeated = call.attempt.is_repeated();
        let entries = self.events.entry(call.name.clone()).or_default();
        if repeated && let Some(answer) = find_earlier_attempt(meta, entries, call) {
            return answer;
        }
        if meta.is_some_and(|(epoch, ..)| Some(epoch) != floor_epoch) {
            floor = 0;
        }
        let at_floor = entries.iter().find(|entry| entry.offset == floor && floor > 0).map(|entry| entry.write);
        let mut forked = meta.is_some_and(|(_, top, _)| top >= floor)
            && call.tail.is_some_and(|tail| at_floor.is_some_and(|found| found != tail));
        if meta.is_none_or(|(_, top, _)| top < floor) || forked {
            if repeated {
                return PublishAnswer::Unknown;
            }
            forked = meta.is_some() || floor_epoch.is_some();
            entries.clear();
            let first = self.dataset.filter(|_| !forked).map(|dataset| Epoch::new(dataset.get()));
            meta = Some((first.unwrap_or(call.new_epoch), 0, None));
            self.names.push((next_name(&self.names, now), call.name.clone()));
        }
        let (epoch, top, _) = meta.unwrap_or((call.new_epoch, 0, None));
        let offset = top + 1;
        let write = WriteId { event: call.id, attempt: call.attempt };
        self.meta.insert(call.name.clone(), (epoch, offset, Some(write)));
        let entry = RawEntry { offset, version: "1".to_owned(), write, epoch, data: Bytes::from(call.entry.clone()) };
        self.events.entry(call.name.clone()).or_default().push(entry);
        let position = Position::new(epoch, offset);
        self.written.insert((position, call.id));
        if call.key.is_some() || repeated {
            self.keys.insert(key, PublishAnswer::Duplicate { position, id: call.id, fingerprint });
        }
        if forked { PublishAnswer::Forked { position } } else { PublishAnswer::Published { position } }
    }

    pub(super) fn reset(&mut self, name: &EventName, seen: Option<Epoch>, new: Epoch, now: u64) -> Epoch {
        let epoch = self.meta.get(name).map(|(epoch, ..)| *epoch);
        if let Some(epoch) = epoch
            && Some(epoch) != seen
        {
            return epoch;
        }
        self.events.remove(name);
        self.meta.insert(name.clone(), (new, 0, None));
        self.names.push((next_name(&self.names, now), name.clone()));
        new
    }

    pub(super) fn check(&self, name: &EventName, offset: u64) -> Seen {
        let entries = self.events.get(name).map_or(&[][..], Vec::as_slice);
        let meta = self.meta.get(name);
        let latest = meta.filter(|(_, top, _)| *top == offset).and_then(|(_, _, write)| *write);
        Seen {
            epoch: meta.map(|(epoch, ..)| *epoch),
            top: meta.map_or(0, |(_, top, _)| *top),
            at_cursor: entries.iter().find(|entry| entry.offset == offset).map(|entry| entry.write).or(latest),
            first: entries.first().map(|entry| entry.offset),
        }
    }

    pub(super) fn range(&self, name: &EventName, after: u64, through: u64, most: usize) -> Range {
        let entries = self.events.get(name).map_or(&[][..], Vec::as_slice);
        let wanted = entries.iter().filter(|entry| entry.offset > after && entry.offset <= through);
        Range { entries: wanted.take(most).cloned().collect(), first: entries.first().map(|entry| entry.offset) }
    }

    pub(super) fn names_behind(&self, after: NamesCursor) -> Vec<(NamesCursor, EventName)> {
        self.names.iter().filter(|(cursor, _)| *cursor > after).cloned().collect()
    }

    pub(super) fn has_written(&self, position: Position, id: EventId) -> bool {
        self.written.contains(&(position, id))
    }

    /// Keeps the latest events of a name.
    pub(super) fn keep(&mut self, name: &EventName, count: usize) {
        if let Some(entries) = self.events.get_mut(name) {
            entries.drain(..entries.len().saturating_sub(count));
        }
    }

    pub(super) fn remove_events(&mut self, name: &EventName) {
        self.events.remove(name);
    }

    pub(super) fn remove_meta(&mut self, name: &EventName) {
        self.meta.remove(name);
    }
}

/// The answer of the publish script to a repeat, unless it is certain that no earlier attempt was written.
fn find_earlier_attempt(
    meta: Option<(Epoch, u64, Option<WriteId>)>,
    entries: &[RawEntry],
    call: &PublishCall,
) -> Option<PublishAnswer> {
    let Some((epoch, top, _)) = meta else { return Some(PublishAnswer::Unknown) };
    let floor = call.floor.map_or(0, |floor| floor.offset());
    if call.floor.map_or(call.first_epoch, |floor| floor.epoch()) != epoch
        || top < floor
        || top - floor > SEARCHED as u64
    {
        return Some(PublishAnswer::Unknown);
    }
    let behind: Vec<_> = entries.iter().filter(|entry| entry.offset > floor).collect();
    if let Some(found) = behind.iter().find(|entry| entry.write.event == call.id) {
        let fingerprint = call.key.map_or(Fingerprint::new(0), |(_, fingerprint)| fingerprint);
        return Some(PublishAnswer::Duplicate {
            position: Position::new(epoch, found.offset),
            id: call.id,
            fingerprint,
        });
    }
    ((behind.len() as u64) < top - floor).then_some(PublishAnswer::Unknown)
}

fn next_name(names: &[(NamesCursor, EventName)], now: u64) -> NamesCursor {
    match names.last() {
        Some((last, _)) if last.millis >= now => NamesCursor { number: last.number + 1, ..*last },
        _ => NamesCursor { millis: now, number: 0 },
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// The server does nothing and says so.
    Refused,
    /// The server gets nothing, and the caller does not know that.
    LostBefore,
    /// The server runs it, and its answer is lost.
    LostAfter,
    /// The caller gives up, and the server runs it later.
    Late(Duration),
}

/// Two servers, of which one is the primary, and what connects nodes with them.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) data: [Keyspace; 2],
    /// What the primary had before its latest writes.
    pub(super) earlier: Vec<Keyspace>,
    pub(super) primary: usize,
    pub(super) nodes: Vec<NodeLinks>,
    /// The fates of the next publishes; further ones are answered.
    pub(super) fates: Vec<Fate>,
    pub(super) now: u64,
}

/// How a node is connected.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NodeLinks {
    pub(super) is_cut: bool,
    /// The server that it is connected to.
    pub(super) server: usize,
    /// Connections of earlier numbers are lost.
    pub(super) connection: u64,
    pub(super) delay: Duration,
}

/// The simulated servers, as one node sees them.
#[derive(Clone)]
pub(super) struct SimulatedRedis {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) changed: Arc<Notify>,
    pub(super) node: usize,
}

impl fmt::Debug for SimulatedRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedRedis").field("node", &self.node).finish_non_exhaustive()
    }
}

fn lost() -> StreamError {
    StreamError::Unanswered("the connection is lost".to_owned())
}

impl World {
    /// Keeps what the primary has, before it is changed.
    fn remember(&mut self, server: usize) {
        if server == self.primary {
            self.earlier.push(self.data[server].clone());
            if self.earlier.len() > 8 {
                self.earlier.remove(0);
            }
        }
        self.now += 1;
    }

    fn run(&mut self, server: usize, call: &PublishCall) -> PublishAnswer {
        self.remember(server);
        let now = self.now;
        self.data[server].publish(call, now)
    }
}

impl SimulatedRedis {
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn links(&self) -> Result<NodeLinks, StreamError> {
        let links = self.lock().nodes[self.node];
        if links.is_cut { Err(StreamError::Disconnected) } else { Ok(links) }
    }

    /// Waits as long as the network takes. `false` if the connection was lost meanwhile.
    async fn travel(&self, links: NodeLinks) -> bool {
        sleep(links.delay).await;
        let now = self.lock().nodes[self.node];
        !now.is_cut && now.connection == links.connection
    }

    async fn run_publish(&self, call: &PublishCall) -> Result<PublishAnswer, StreamError> {
        let links = self.links()?;
        let fate = self.lock().fates.pop().unwrap_or(Fate::Answered);
        if !self.travel(links).await {
            return Err(lost());
        }
        match fate {
            Fate::LostBefore => return Err(lost()),
            Fate::Late(after) => {
                let (late, call) = (self.clone(), call.clone());
                tokio::spawn(async move {
                    sleep(after).await;
                    late.lock().run(links.server, &call);
                    late.changed.notify_waiters();
                });
                return Err(lost());
            }
            Fate::Refused if self.travel(links).await => return Err(StreamError::Refused("no memory".to_owned())),
            Fate::Refused => return Err(lost()),
            Fate::Answered | Fate::LostAfter => {}
        }
        let answer = self.lock().run(links.server, call);
        self.changed.notify_waiters();
        if fate == Fate::LostAfter || !self.travel(links).await {
            return Err(lost());
        }
        Ok(answer)
    }
}

impl Streams for SimulatedRedis {
    fn publish<'a>(&'a self, publish: &'a PublishCall) -> Call<'a, (PublishAnswer, Confirmation)> {
        Box::pin(async { Ok((self.run_publish(publish).await?, Confirmation::default())) })
    }

    fn range<'a>(&'a self, name: &'a EventName, after: u64, through: u64, most: usize) -> Call<'a, Range> {
        Box::pin(async move {
            let links = self.links()?;
            if !self.travel(links).await {
                return Err(lost());
            }
            Ok(self.lock().data[links.server].range(name, after, through, most))
        })
    }

    fn tell<'a>(&'a self, _: &'a str, _: Vec<u8>) -> Call<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn trim_by_age<'a>(&'a self, _: &'a EventName, _: i64) -> Call<'a, u64> {
        Box::pin(async { Ok(0) })
    }

    fn trim_to<'a>(&'a self, _: &'a EventName, _: u64) -> Call<'a, (u64, Option<u64>)> {
        Box::pin(async { Ok((0, None)) })
    }

    fn claims_trim(&self) -> Call<'_, bool> {
        Box::pin(async { Ok(false) })
    }

    fn remind<'a>(&'a self, _: &'a [EventName]) -> Call<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn sync(&self) -> Call<'_, ()> {
        Box::pin(async { Err(lost()) })
    }

    fn open(&self) -> Call<'_, Box<dyn StreamReader>> {
        Box::pin(async {
            let links = self.links()?;
            Ok(Box::new(SimulatedReader { redis: self.clone(), links }) as _)
        })
    }
}

/// The connection of a reader.
struct SimulatedReader {
    redis: SimulatedRedis,
    links: NodeLinks,
}

impl SimulatedReader {
    async fn travel(&self) -> Result<(), StreamError> {
        let delay = self.redis.lock().nodes[self.redis.node].delay;
        if self.redis.travel(NodeLinks { delay, ..self.links }).await { Ok(()) } else { Err(lost()) }
    }

    async fn ask<T>(&self, ask: impl FnOnce(&mut Keyspace) -> T) -> Result<T, StreamError> {
        self.travel().await?;
        let answer = ask(&mut self.redis.lock().data[self.links.server]);
        self.travel().await?;
        Ok(answer)
    }
}

impl StreamReader for SimulatedReader {
    fn dataset(&mut self) -> Call<'_, DatasetId> {
        Box::pin(self.ask(|data| data.dataset(DatasetId::random())))
    }

    fn names<'a>(&'a mut self, after: &'a NamesCursor) -> Call<'a, Vec<(NamesCursor, EventName)>> {
        Box::pin(self.ask(|data| data.names_behind(*after)))
    }

    fn check<'a>(&'a mut self, names: &'a [(EventName, u64)]) -> Call<'a, Vec<Result<Seen, StreamError>>> {
        Box::pin(self.ask(|data| names.iter().map(|(name, offset)| Ok(data.check(name, *offset))).collect()))
    }

    fn reset<'a>(&'a mut self, name: &'a EventName, seen: Option<Epoch>, new: Epoch) -> Call<'a, Epoch> {
        Box::pin(async move {
            self.travel().await?;
            let epoch = {
                let mut world = self.redis.lock();
                world.remember(self.links.server);
                let now = world.now;
                world.data[self.links.server].reset(name, seen, new, now)
            };
            self.redis.changed.notify_waiters();
            self.travel().await?;
            Ok(epoch)
        })
    }

    fn read<'a>(&'a mut self, names: &'a NamesCursor, cursors: &'a [(EventName, u64)]) -> Call<'a, Batch> {
        Box::pin(async move {
            let changed = Arc::clone(&self.redis.changed);
            let found = |data: &mut Keyspace| {
                let events =
                    cursors.iter().map(|(name, offset)| (name.clone(), data.range(name, *offset, u64::MAX, 3).entries));
                Batch {
                    names: data.names_behind(*names),
                    events: events.filter(|(_, entries)| !entries.is_empty()).collect(),
                    unreadable: Vec::new(),
                }
            };
            let waiting = async {
                loop {
                    let mut notified = std::pin::pin!(changed.notified());
                    notified.as_mut().enable();
                    let batch = self.ask(found).await?;
                    if batch != Batch::default() {
                        return Ok(batch);
                    }
                    notified.await;
                }
            };
            timeout(Duration::from_secs(1), waiting).await.unwrap_or_else(|_| Ok(Batch::default()))
        })
    }
}

/// A publish of an event that no node made.
pub(super) fn publish_call(name: &EventName, id: EventId, epoch: Epoch) -> PublishCall {
    PublishCall {
        name: name.clone(),
        id,
        entry: b"entry".to_vec(),
        most: 1_000_000,
        new_epoch: epoch,
        first_epoch: Epoch::new(0),
        floor: None,
        tail: None,
        key: None,
        key_lifetime: Duration::from_secs(600),
        attempt: Attempt::FIRST,
        replicas: 0,
        durable: false,
    }
}
