//! The counts of all nodes for one event: each node that offers it tells the node that has published it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{RedisError, Value};
use signalhub_events::{Arrived, ClusterMatches, DeliveredCounts};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::entry::{Asked, EntryError, Reader, put_bytes, put_integer, put_optional, put_text};
use super::streams::Streams;
use crate::link::Instance;
use crate::link::backoff::Backoff;
use crate::nodes::Nodes;

/// How many nodes may answer for one event.
const MOST_NODES: usize = 1_024;

/// A node tells of no more subscribers. A sum of counts that others make up must not overflow.
const MOST_COUNT: usize = u32::MAX as usize;

/// How many answers may be on their way. Beyond that, this node does not answer, and its counts are missing.
const SENDING: usize = 1_024;

/// How long Redis may take to confirm a command.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the connection is tried out.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// What one node tells of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    number: u64,
    node: Arc<str>,
    matched: u64,
    delivered: Option<DeliveredCounts>,
}

/// The publishes of this node that wait for answers.
#[derive(Debug)]
pub(super) struct Answers {
    node: Arc<str>,
    next: AtomicU64,
    nodes: AtomicUsize,
    waiting: Mutex<HashMap<u64, mpsc::Sender<Answer>>>,
    sending: Arc<Semaphore>,
    /// At how many servers this node is subscribed to the answers of others.
    subscribed: watch::Sender<usize>,
}

/// A server at which this node is subscribed to answers, until it is dropped.
struct Subscribed<'a>(&'a Answers);

/// One publish that waits for answers.
#[derive(Debug)]
pub(super) struct Waiting {
    answers: Arc<Answers>,
    number: u64,
    deadline: Instant,
    receiver: mpsc::Receiver<Answer>,
}

impl Answers {
    pub(super) fn new(node: Arc<str>) -> Self {
        let (next, nodes) = (AtomicU64::new(1), AtomicUsize::new(1));
        let (sending, subscribed) = (Arc::new(Semaphore::new(SENDING)), watch::channel(0).0);
        Self { node, next, nodes, waiting: Mutex::default(), sending, subscribed }
    }

    /// Waits until this node is subscribed to answers at this number of servers.
    pub(super) async fn subscribed(&self, servers: usize) {
        // It owns the sender, so this ends with the state alone.
        drop(self.subscribed.subscribe().wait_for(|subscribed| *subscribed >= servers).await);
    }

    pub(super) fn expect(&self, nodes: usize) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    /// Begins to wait, before the event is written, for at most this long.
    pub(super) fn begin(self: &Arc<Self>, most: Duration) -> Waiting {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel(MOST_NODES);
        self.lock().insert(number, sender);
        Waiting { answers: Arc::clone(self), number, deadline: Instant::now() + most, receiver }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, mpsc::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, answer: Answer) {
        // One that comes too late, or that no publish waits for, is dropped.
        if let Some(waiting) = self.lock().get(&answer.number) {
            drop(waiting.try_send(answer));
        }
    }
}

impl<'a> Subscribed<'a> {
    fn new(answers: &'a Answers) -> Self {
        answers.subscribed.send_modify(|servers| *servers += 1);
        Self(answers)
    }
}

impl Drop for Subscribed<'_> {
    fn drop(&mut self) {
        self.0.subscribed.send_modify(|servers| *servers -= 1);
    }
}

impl Waiting {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Adds the answers of all nodes, as far as they come in time.
    pub(super) async fn collect(mut self) -> ClusterMatches {
        let mut matches = ClusterMatches::of(self.answers.nodes.load(Ordering::Relaxed));
        let mut nodes = HashSet::new();
        while matches.answered < matches.expected {
            let Ok(Some(answer)) = timeout_at(self.deadline, self.receiver.recv()).await else { break };
            if nodes.insert(answer.node) {
                matches.add(answer.matched, answer.delivered);
            }
        }
        matches
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answers.lock().remove(&self.number);
    }
}

/// Tells the node that asks what became of an event here.
pub(super) fn answer(answers: &Arc<Answers>, streams: &Arc<dyn Streams>, asked: Asked, arrived: Arrived) {
    let Ok(permit) = Arc::clone(&answers.sending).try_acquire_owned() else {
        tracing::debug!("the counts of an event are not told: too many are on their way");
        return;
    };
    let (answers, streams) = (Arc::clone(answers), Arc::clone(streams));
    let Asked { node, number, wait } = asked;
    tokio::spawn(async move {
        let _permit = permit;
        let delivered = match (arrived.tracked, wait) {
            (Some(tracked), Some(wait)) => Some(tracked.wait(wait).await),
            _ => None,
        };
        let answer = Answer { number, node: Arc::clone(&answers.node), matched: arrived.matched as u64, delivered };
        if node == answers.node {
            answers.give(answer);
        } else if let Err(error) = streams.tell(&node, encode(&answer)).await {
            tracing::debug!(%error, "the counts of an event cannot be told");
        }
    });
}

/// The channel on which nodes tell that they have come or gone, and who wants to know.
type OfNodes<'a> = Option<&'a (String, &'a Nodes)>;

/// Why the channel of the answers ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the connection was closed")]
    Closed,
    #[error("no answer in {CONFIRMATION_TIMEOUT:?}")]
    Silent,
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// Takes the answers of other nodes while the log is there, and what they say when they come and go.
pub(super) async fn receive(answers: Arc<Answers>, instance: Instance, channel: String, nodes: Option<Nodes>) {
    let of_nodes = nodes.as_ref().map(|nodes| (nodes.channel(), nodes));
    let mut backoff = Backoff::default();
    loop {
        let begun = Instant::now();
        // It ends together with the link for commands, which is the one that is checked: the server may have become a replica.
        let mut commands = instance.connections();
        if commands.wait_for(Option::is_some).await.is_err() {
            return;
        }
        match instance.open_channels().await {
            Ok(connection) => {
                let (sink, stream) = connection.split();
                let ended = tokio::select! {
                    () = take(stream, &answers, of_nodes.as_ref()) => Ended::Closed,
                    ended = subscribe(sink, &channel, &answers, of_nodes.as_ref()) => ended,
                    _ = commands.changed() => Ended::Closed,
                };
                tracing::debug!(redis = %instance.address(), error = %ended, "lost the channel of the counts of other nodes");
            }
            Err(error) => tracing::debug!(%error, "no counts of other nodes can be received"),
        }
        if begun.elapsed() > PING_INTERVAL {
            backoff = Backoff::default();
        }
        sleep(backoff.next()).await;
    }
}

/// Subscribes, and tries the connection out from time to time: a server that hangs, or a network that is cut, closes no socket.
async fn subscribe(mut sink: PubSubSink, channel: &str, answers: &Answers, of_nodes: OfNodes<'_>) -> Ended {
    let ended: Result<(), Ended> = async {
        in_time(sink.subscribe(channel)).await?;
        if let Some((channel, nodes)) = of_nodes {
            in_time(sink.subscribe(channel)).await?;
            // One may have come before.
            nodes.look();
        }
        let _subscribed = Subscribed::new(answers);
        loop {
            sleep(PING_INTERVAL).await;
            in_time(sink.ping::<Value>()).await?;
        }
    }
    .await;
    ended.err().unwrap_or(Ended::Closed)
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Ended> {
    Ok(timeout(CONFIRMATION_TIMEOUT, answer).await.map_err(|_| Ended::Silent)??)
}

async fn take(mut messages: PubSubStream, answers: &Answers, of_nodes: OfNodes<'_>) {
    while let Some(message) = messages.next().await {
        if let Some((_, nodes)) = of_nodes.filter(|(channel, _)| channel == message.get_channel_name()) {
            nodes.look();
            continue;
        }
        match decode(&Bytes::copy_from_slice(message.get_payload_bytes())) {
            Ok(answer) => answers.give(answer),
            Err(error) => tracing::debug!(%error, "the counts of another node cannot be read"),
        }
    }
}

fn encode(answer: &Answer) -> Vec<u8> {
    let Answer { number, node, matched, delivered } = answer;
    let mut out = vec![0x94];
    put_integer(&mut out, number.cast_signed());
    put_text(&mut out, node);
    put_integer(&mut out, matched.cast_signed());
    put_optional(&mut out, *delivered, |out, DeliveredCounts { written, ended, waiting }| {
        let mut counts = Vec::new();
        for count in [written, ended, waiting] {
            put_integer(&mut counts, i64::try_from(count).unwrap_or(i64::MAX));
        }
        put_bytes(out, &counts);
    });
    out
}

fn decode(bytes: &Bytes) -> Result<Answer, EntryError> {
    let mut reader = Reader::new(bytes);
    if reader.array()? < 4 {
        return Err(EntryError("expected an array of at least 4 items"));
    }
    let number = reader.integer()?.ok_or(EntryError("expected a number"))?.cast_unsigned();
    let node = reader.text()?.map(Arc::from).ok_or(EntryError("expected a node"))?;
    let matched = reader.integer()?.ok_or(EntryError("expected a count"))?;
    let delivered = match reader.bytes()? {
        None => None,
        Some(counts) => {
            let mut reader = Reader::new(&counts);
            let mut count = || {
                let count = reader.integer()?.ok_or(EntryError("expected a count"))?;
                usize::try_from(count).map(|count| count.min(MOST_COUNT)).map_err(|_| EntryError("expected a count"))
            };
            Some(DeliveredCounts { written: count()?, ended: count()?, waiting: count()? })
        }
    };
    let matched = u64::try_from(matched).map_err(|_| EntryError("expected a count"))?.min(MOST_COUNT as u64);
    Ok(Answer { number, node, matched, delivered })
}
