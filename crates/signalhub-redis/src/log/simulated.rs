//! A simulated Redis: the same streams and scripts in memory, with every fault that a test asks for. A test compares it with a real server.

mod keyspace;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use signalhub_events::{Epoch, EventId, EventName};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

pub(super) use self::keyspace::Keyspace;
use super::fork::Seen;
use super::streams::{
    Batch, Call, Confirmation, NamesCursor, PublishAnswer, PublishCall, Range, StreamError, StreamReader, Streams,
};
use super::write::Attempt;
use crate::dataset::DatasetId;

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
