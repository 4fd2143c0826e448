//! The events of a cluster and their history, on Redis streams.
//!
//! Each name has a stream, whose ids are the offsets of its events. A script gives an event its offset, so all nodes have one order. Every node
//! reads every stream, its own events too: there is one way for events that are published, that were missed during a lost connection, and
//! that are read again.

mod answers;
mod counts;
mod entry;
mod fork;
mod keys;
mod pause;
mod publisher;
mod reader;
mod script;
mod server;
mod shard;
mod streams;
mod trimming;
mod values;
mod write;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signalhub_events::{
    Bounds, Declared, Epoch, EventName, HistoryCounts, LogCounts, LogFuture, LogUnavailable, NameLimits, Opened, Page,
    ReadRange, SharedEvents, SharedLog, SharedPublish, SharedPublishError, SharedPublished, Untold,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::answers::Answers;
use self::counts::Counts;
pub use self::counts::RedisLogCounts;
use self::fork::Seen;
use self::keys::Keys;
use self::server::Server;
use self::shard::{NameState, Shard, Skipped};
use self::streams::{NamesCursor, StreamError, Streams};
use crate::link::{Instances, Link};
use crate::nodes::Nodes;
use crate::watched::keep_running;

/// How many publishes may be under way at once; further ones wait.
const IN_FLIGHT: usize = 4_096;

/// How many undeclared names a node reads beyond `names`: nodes that publish new names at the same time exceed it together. Others may
/// write names, too.
const BEYOND_LIMIT: usize = 1_024;

/// How a node uses the streams of its cluster.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogOptions {
    /// What other nodes send their counts to: the name of this node and the random text of its start, or another text that no other node
    /// has at the same time.
    pub node: Arc<str>,
    /// What the keys begin with: the same on all nodes.
    pub prefix: String,
    /// What is kept of each name. Default: 10 000 events, 16 MiB, 24 hours.
    pub limits: NameLimits,
    /// The limits of names that have others.
    pub overrides: HashMap<EventName, NameLimits>,
    /// How many bytes the events of all names may take together in the memory of the servers, about: each has an equal part. Default: 1 GiB.
    pub total_bytes: u64,
    /// How many names that are not declared may have events, together with declared ones at most about 4 000. Publishes of further ones are
    /// refused. Of what others write into Redis, up to 1 024 further ones are read. Default: 1 024.
    pub names: usize,
    /// How long a publish waits for Redis. Default: 2 s.
    pub patience: Duration,
    /// How long a publish with an idempotency key is remembered. Default: 10 minutes.
    pub idempotency_window: Duration,
    /// How many replicas should have an event before its publisher is answered. With fewer it is answered all the same, after 100 ms.
    /// Default: 0.
    pub replicas: u32,
    /// What happens to clients that cannot be told that events are missing.
    pub untold: Untold,
    /// The nodes of the cluster, if this is one of them. They are told when another one says that it has come or gone. Default: none.
    pub nodes: Option<Nodes>,
}

impl LogOptions {
    /// The defaults, for this node.
    #[must_use]
    pub fn new(node: impl Into<Arc<str>>) -> Self {
        Self {
            node: node.into(),
            prefix: "signalhub:".to_owned(),
            limits: NameLimits { events: 10_000, bytes: 16 << 20, age: Duration::from_secs(24 * 60 * 60) },
            overrides: HashMap::new(),
            total_bytes: 1 << 30,
            names: 1_024,
            patience: Duration::from_secs(2),
            idempotency_window: Duration::from_secs(10 * 60),
            replicas: 0,
            untold: Untold::Counted,
            nodes: None,
        }
    }

    fn limits_of(&self, name: &EventName) -> NameLimits {
        *self.overrides.get(name).unwrap_or(&self.limits)
    }
}

/// The streams of events cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the events in Redis cannot be read: {0}")]
pub struct RedisLogError(StreamError);

impl RedisLogError {
    /// Whether it may help to try again: Redis has not answered in time.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.0, StreamError::Disconnected | StreamError::Unanswered(_))
    }
}

/// The events of a cluster, on the streams of its Redis servers: the names are shared out among the servers.
///
/// Dropping it ends its tasks.
pub struct RedisLog {
    inner: Arc<Inner>,
    tasks: Mutex<JoinSet<()>>,
    servers: Vec<Arc<Server>>,
}

/// What the tasks of a log share.
struct Inner {
    options: LogOptions,
    shards: Vec<Arc<Shard>>,
    instances: Option<Instances>,
    is_durable: bool,
    in_flight: Semaphore,
    answers: Arc<Answers>,
    counts: Counts,
}

impl RedisLog {
    /// Reads which names there are. The servers must be [reached](Instances::reached) before.
    ///
    /// # Errors
    /// When a server does not answer, or has streams that another version has written.
    pub async fn connect(instances: &Instances, options: LogOptions) -> Result<Self, RedisLogError> {
        let keys = Keys::new(options.prefix.clone());
        let mut servers = Vec::new();
        let mut is_durable = true;
        for instance in instances.all() {
            instance.uses(Link::Reader);
            let server = Server::new(instance.clone(), keys.clone());
            is_durable &= server.can_sync().await;
            servers.push(Arc::new(server));
        }
        let streams = servers.iter().map(|server| Arc::clone(server) as Arc<dyn Streams>).collect();
        let inner = Inner::new(streams, Some(instances.clone()), options, is_durable);
        inner.load().await.map_err(RedisLogError)?;
        Ok(Self { inner: Arc::new(inner), tasks: Mutex::default(), servers })
    }

    /// A log on the streams of a simulated server.
    #[cfg(test)]
    async fn on(streams: Arc<dyn Streams>, options: LogOptions) -> Result<Self, StreamError> {
        let inner = Inner::new(vec![streams], None, options, false);
        inner.load().await?;
        Ok(Self { inner: Arc::new(inner), tasks: Mutex::default(), servers: Vec::new() })
    }

    /// Sets how many nodes are in the cluster, this one too: this number of answers is waited for where the counts of all are asked for.
    pub fn expect_nodes(&self, nodes: usize) {
        self.inner.answers.expect(nodes);
    }

    /// Waits until the counts of other nodes can come in, which the broker of this log asks for.
    pub async fn ready(&self) {
        self.inner.answers.subscribed(self.servers.len()).await;
    }

    /// Returns what it counts.
    #[must_use]
    pub fn cluster_counts(&self) -> RedisLogCounts {
        let names = self.inner.shards.iter().map(|shard| shard.lock().len()).sum();
        let skipped = self.inner.shards.iter().map(|shard| shard.skipped()).sum();
        self.inner.counts.read(names, skipped)
    }
}

impl fmt::Debug for RedisLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLog").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Inner {
    fn new(
        streams: Vec<Arc<dyn Streams>>,
        instances: Option<Instances>,
        options: LogOptions,
        is_durable: bool,
    ) -> Self {
        let shards = streams.into_iter().map(|streams| Arc::new(Shard::new(streams))).collect();
        let (answers, counts) = (Arc::new(Answers::new(Arc::clone(&options.node))), Counts::default());
        Self { options, shards, instances, is_durable, in_flight: Semaphore::new(IN_FLIGHT), answers, counts }
    }

    fn shard_of(&self, name: &EventName) -> &Arc<Shard> {
        let number = self.instances.as_ref().map_or(0, |instances| instances.number_of(name.as_str().as_bytes()));
        &self.shards[number]
    }

    /// Reads the names, and stands at the latest event of each.
    async fn load(&self) -> Result<(), StreamError> {
        for shard in &self.shards {
            let mut reader = shard.streams.open().await?;
            shard.read_dataset(&mut *reader).await?;
            let found = reader.names(&NamesCursor::default()).await?;
            let mut names: Vec<_> = found.into_iter().map(|(_, name)| (name, 0)).collect();
            names.sort();
            names.dedup();
            let tops = reader.check(&names).await?;
            let top = |seen: &Result<Seen, _>| seen.as_ref().map_or(0, |seen| seen.top);
            names.iter_mut().zip(&tops).for_each(|((_, offset), seen)| *offset = top(seen));
            // The events at those offsets tell later whether Redis has the same past.
            let seen = reader.check(&names).await?;
            let mut states = shard.lock();
            for ((name, _), (top, seen)) in names.into_iter().zip(tops.into_iter().zip(seen)) {
                states.extend(NameState::start(top, seen).map(|state| (name, state)));
            }
        }
        Ok(())
    }

    /// How many of the names are not declared.
    fn undeclared(&self) -> usize {
        self.shards.iter().map(|shard| shard.undeclared.load(Ordering::Relaxed)).sum()
    }

    /// Takes a name in that has begun, unless it is one of too many.
    fn take_in(&self, shard: &Shard, name: &EventName, events: &SharedEvents) -> Result<(), Skipped> {
        let mut names = shard.lock();
        if names.contains_key(name) {
            return Ok(());
        }
        let declared = events.declared(name).unwrap_or(Declared::No);
        if declared == Declared::No && self.undeclared() >= self.most_undeclared() {
            return Err(Skipped::TooMany);
        }
        shard.insert(&mut names, name.clone(), declared);
        Ok(())
    }

    /// How many undeclared names are read.
    fn most_undeclared(&self) -> usize {
        self.options.names.saturating_add(BEYOND_LIMIT)
    }

    fn bounds(&self, name: &EventName) -> Option<Bounds> {
        let state = *self.shard_of(name).lock().get(name)?;
        let position = state.cursor.position()?;
        let first = state.first.unwrap_or(1).min(position.offset() + 1);
        Some(Bounds { epoch: position.epoch(), first: Some(first), top: position.offset() })
    }

    async fn read(&self, range: ReadRange) -> Result<Page, LogUnavailable> {
        let ReadRange { name, after, through, most, .. } = range;
        let shard = Arc::clone(self.shard_of(&name));
        let epoch = shard.lock().get(&name).and_then(|state| state.cursor.epoch).ok_or(LogUnavailable)?;
        let read = shard.streams.range(&name, after, through, most).await;
        let read = read.inspect_err(|error| tracing::debug!(event = %name, %error, "the history cannot be read"));
        let found = read.map_err(|_| LogUnavailable)?;
        let first = found.first.unwrap_or(through + 1);
        let mut page = Page { events: Vec::with_capacity(found.entries.len()), first, through };
        let mut expected = first.max(after + 1);
        let is_full = found.entries.len() == most;
        for raw in found.entries {
            // Redis may have come back with less, or with other events, and this node does not know it yet.
            if raw.epoch != epoch || raw.offset != expected || raw.version != entry::VERSION {
                return Err(LogUnavailable);
            }
            expected += 1;
            let decoded = entry::decode(&name, raw.write.event, &raw.data).map_err(|error| {
                tracing::error!(event = %name, offset = raw.offset, %error, "an event of the history cannot be read");
                LogUnavailable
            })?;
            page.events.push((raw.offset, Arc::new(decoded.event)));
        }
        if is_full {
            page.through = expected - 1;
        } else if expected <= through {
            return Err(LogUnavailable);
        }
        Ok(page)
    }
}

impl SharedLog for RedisLog {
    fn open(&self, events: SharedEvents) -> Opened {
        let mut opened = Opened::empty();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for shard in &self.inner.shards {
            let mut states = shard.lock();
            shard.count_undeclared(&mut states, self.inner.most_undeclared(), &events);
            opened
                .names
                .extend(states.iter().filter_map(|(name, state)| Some((name.clone(), state.cursor.position()?))));
            drop(states);
            let (inner, shard, events) = (Arc::clone(&self.inner), Arc::clone(shard), events.clone());
            let read = move || reader::run(Arc::clone(&inner), Arc::clone(&shard), events.clone());
            tasks.spawn(keep_running("reader", read));
        }
        for (server, shard) in self.servers.iter().zip(&self.inner.shards) {
            let channel = Keys::new(self.inner.options.prefix.clone()).answers(&self.inner.options.node);
            let (answers, instance) = (Arc::clone(&self.inner.answers), server.instance().clone());
            let nodes = self.inner.options.nodes.clone();
            let receive =
                move || answers::receive(Arc::clone(&answers), instance.clone(), channel.clone(), nodes.clone());
            tasks.spawn(keep_running("answers", receive));
            let (inner, shard) = (Arc::clone(&self.inner), Arc::clone(shard));
            tasks.spawn(keep_running("trimming", move || {
                trimming::trim_each_minute(Arc::clone(&inner), Arc::clone(&shard))
            }));
        }
        opened
    }

    fn publish(&self, publish: SharedPublish) -> LogFuture<'_, Result<SharedPublished, SharedPublishError>> {
        // It has no task of its own, which two more threads would be woken for.
        Box::pin(publisher::publish(&self.inner, publish))
    }

    fn is_awaited(&self, name: &EventName) {
        self.inner.shard_of(name).pause.end();
    }

    fn patience(&self) -> Duration {
        self.inner.options.patience
    }

    fn bounds(&self, name: &EventName) -> Option<Bounds> {
        self.inner.bounds(name)
    }

    fn first_epoch(&self, name: &EventName) -> Epoch {
        Epoch::new(self.inner.shard_of(name).dataset.load(Ordering::Relaxed))
    }

    fn read(&self, range: ReadRange) -> LogFuture<'_, Result<Page, LogUnavailable>> {
        Box::pin(self.inner.read(range))
    }

    fn sync(&self) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async {
            for shard in &self.inner.shards {
                shard.streams.sync().await.map_err(|_| LogUnavailable)?;
            }
            Ok(())
        })
    }

    fn is_durable(&self) -> bool {
        self.inner.is_durable
    }

    fn tells_of_replicas(&self) -> bool {
        self.inner.options.replicas > 0
    }

    fn counts(&self) -> LogCounts {
        let mut kept = HistoryCounts::default();
        for shard in &self.inner.shards {
            for state in shard.lock().values() {
                kept.names += 1;
                kept.events += state.first.map_or(0, |first| (state.cursor.offset + 1).saturating_sub(first));
            }
        }
        self.inner.counts.trimmed.add_to(&mut kept);
        let mut counts = LogCounts::default();
        counts.kept = kept;
        counts.queue = (IN_FLIGHT - self.inner.in_flight.available_permits()) as u64;
        counts
    }
}

/// Reads the answer of a server to a read of events.
#[cfg(fuzzing)]
pub(crate) fn read_events(answer: &[u8]) {
    drop(server::read_batch(answer, &Keys::new("p:")));
}

#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
