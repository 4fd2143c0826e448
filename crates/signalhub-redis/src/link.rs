//! The Redis servers of a cluster, and the connections to them.
//!
//! A node has three links to each server: one for commands, which all tasks share, one that reads the streams of events, and one that
//! is subscribed to channels. Each has a task that owns it and opens it again when it is lost. The client library never does this by
//! itself, because we must know when a moment was missed.

pub mod address;
pub mod backoff;
mod hash;
pub mod opening;
mod sentinels;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::RedisError;
use redis::aio::{MultiplexedConnection, PubSub};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::address::{HostPort, RedisAddress};
use self::backoff::Backoff;
pub(crate) use self::hash::fnv;
use self::hash::jump;
use self::opening::{LinkError, Opener, OpenerError};
use crate::watched::keep_running;

/// How often the link for commands is tried out, because a server that hangs closes no socket.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// How often sentinels are asked whether the primary is still the one that the link for commands leads to: a primary that is cut off from
/// them stays one.
const SENTINEL_INTERVAL: Duration = Duration::from_secs(5);

/// How long the server may take for the answer to a command, unless the caller sets another time on its copy of the connection.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection to a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Commands of all tasks.
    Commands,
    /// The reader of events: one `XREAD` that blocks.
    Reader,
    /// Subscriptions to channels.
    Channels,
}

impl Link {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Commands, Self::Reader, Self::Channels];

    /// A short name for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Reader => "reader",
            Self::Channels => "channels",
        }
    }
}

/// The state of one link. A node that does not use a kind of link is not severed because of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// The node has no such link.
    #[default]
    Unused,
    /// It is being opened.
    Disconnected,
    /// It works.
    Connected,
}

/// The states of the links to one server.
pub type LinkStates = [LinkState; Link::ALL.len()];

/// How a node reaches its Redis servers.
#[derive(Clone)]
pub struct RedisSettings {
    /// The independent primaries, in the same order on all nodes.
    pub addresses: Vec<RedisAddress>,
    /// The user name and the password for those addresses that have none of their own.
    pub username: Option<String>,
    /// See `username`.
    pub password: Option<String>,
    /// The certificates of authorities that are trusted, in PEM; those of the system if it is absent.
    pub tls_ca: Option<Vec<u8>>,
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// The Redis servers of a cluster, each with its link for commands. Dropping the last clone closes these links.
#[derive(Clone, Debug)]
pub struct Instances {
    all: Arc<[Instance]>,
    // It aborts the tasks when the last clone is dropped.
    _tasks: Arc<JoinSet<()>>,
}

impl Instances {
    /// Begins to open the links for commands, and keeps them open. Must be called in a runtime.
    ///
    /// # Errors
    /// If the settings cannot be used: no address, or certificates that cannot be read.
    pub fn start(settings: &RedisSettings) -> Result<Self, OpenerError> {
        let all: Arc<[Instance]> = Opener::all(settings)?.into_iter().map(Instance::new).collect();
        let mut tasks = JoinSet::new();
        for instance in &*all {
            let instance = instance.clone();
            tasks.spawn(async move { keep_running("commands", || instance.keep_commands()).await });
        }
        Ok(Self { all, _tasks: Arc::new(tasks) })
    }

    /// Waits until all servers can be reached.
    ///
    /// # Errors
    /// When a server cannot be used by a cluster at all, such as one that wants another password; or with the last problem when the
    /// time is over.
    pub async fn reached(&self, patience: Duration) -> Result<(), LinkError> {
        let deadline = Instant::now() + patience;
        for instance in self.all.iter() {
            let mut backoff = Backoff::default();
            loop {
                let Err(error) = instance.open().await else { break };
                let wait = backoff.next();
                if error.is_permanent() || Instant::now() + wait > deadline {
                    return Err(error);
                }
                tracing::info!(redis = %instance.address(), %error, "waiting for Redis");
                tokio::time::sleep(wait).await;
            }
            drop(tokio::time::timeout_at(deadline, instance.connected(Link::Commands)).await);
        }
        Ok(())
    }

    /// Says that this node is about to stop: links that end from now on are no loss, and are not logged as one.
    pub fn stop(&self) {
        self.all.iter().for_each(|instance| instance.0.is_stopping.store(true, Ordering::Relaxed));
    }

    /// All servers, in the configured order.
    #[must_use]
    pub fn all(&self) -> &[Instance] {
        &self.all
    }

    /// The server that has what belongs to a key, such as the name of an event: the same one on every node that has the same list.
    #[must_use]
    pub fn of(&self, key: &[u8]) -> &Instance {
        &self.all[jump(fnv(key), self.all.len())]
    }

    /// The number of the server that [`of`](Self::of) returns, counted from 0.
    #[must_use]
    pub fn number_of(&self, key: &[u8]) -> usize {
        jump(fnv(key), self.all.len())
    }
}

/// One Redis server of the cluster.
#[derive(Clone, Debug)]
pub struct Instance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    opener: Opener,
    commands: watch::Sender<Option<MultiplexedConnection>>,
    states: watch::Sender<LinkStates>,
    /// Since when each link is in its state.
    since: Mutex<[Instant; Link::ALL.len()]>,
    /// Where the link for commands has led to last.
    primary: watch::Sender<Option<HostPort>>,
    doubted: Notify,
    is_stopping: AtomicBool,
    may_evict: AtomicBool,
}

impl Instance {
    fn new(opener: Opener) -> Self {
        let ((commands, _), (primary, _)) = (watch::channel(None), watch::channel(None));
        let (states, _) = watch::channel([LinkState::Disconnected, LinkState::Unused, LinkState::Unused]);
        let (doubted, is_stopping, may_evict) = (Notify::new(), AtomicBool::new(false), AtomicBool::new(false));
        let since = Mutex::new([Instant::now(); Link::ALL.len()]);
        Self(Arc::new(Inner { opener, commands, states, since, primary, doubted, is_stopping, may_evict }))
    }

    /// Its address, without a password.
    #[must_use]
    pub fn address(&self) -> &RedisAddress {
        self.0.opener.address()
    }

    /// The link for commands, if it is connected. An answer takes at most [`RESPONSE_TIMEOUT`].
    ///
    /// # Errors
    /// If it is not connected now.
    pub fn commands(&self) -> Result<MultiplexedConnection, Disconnected> {
        self.0.commands.borrow().clone().ok_or(Disconnected)
    }

    /// The link for commands, with every change of it.
    pub(crate) fn connections(&self) -> watch::Receiver<Option<MultiplexedConnection>> {
        self.0.commands.subscribe()
    }

    /// Opens a connection of the caller's own, such as that of the reader. The future that is returned beside it must be run: it
    /// reads and writes the socket, and ends when the connection is lost, or the primary is another server.
    ///
    /// # Errors
    /// If the server cannot be reached, or cannot be used, or is another one than that of the link for commands.
    pub async fn open(&self) -> Result<(MultiplexedConnection, opening::Driver), LinkError> {
        let (server, connection, driver) = self.0.opener.open().await?;
        let moved = self.moved_from(server)?;
        let driver = async move {
            tokio::select! {
                () = driver => {}
                () = moved => {}
            }
        };
        Ok((connection, Box::pin(driver)))
    }

    /// Opens a connection for a caller that reads and writes its bytes. The future that is returned beside it ends when the primary is
    /// another server.
    ///
    /// # Errors
    /// If the server cannot be reached, or cannot be used, or is another one than that of the link for commands.
    pub(crate) async fn open_stream(&self) -> Result<(Box<dyn opening::Stream>, opening::Driver), LinkError> {
        let (server, stream) = self.0.opener.open_stream().await?;
        Ok((stream, Box::pin(self.moved_from(server)?)))
    }

    /// Opens a connection for subscriptions.
    ///
    /// # Errors
    /// If the server cannot be reached, or cannot be used, or is another one than that of the link for commands.
    pub async fn open_channels(&self) -> Result<PubSub, LinkError> {
        let (server, channels) = self.0.opener.open_channels().await?;
        self.check_primary(&server)?;
        Ok(channels)
    }

    /// Where the link for commands leads to, with every change of it.
    pub(crate) fn primaries(&self) -> watch::Receiver<Option<HostPort>> {
        self.0.primary.subscribe()
    }

    /// Ends when the link for commands leads to another server than this one, which it must lead to now.
    fn moved_from(&self, server: HostPort) -> Result<impl Future<Output = ()> + Send + use<>, LinkError> {
        let mut primaries = self.primaries();
        self.check_primary(&server)?;
        Ok(async move {
            let is_other = |primary: &Option<HostPort>| primary.as_ref().is_some_and(|primary| *primary != server);
            if primaries.wait_for(is_other).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// Refuses a server to which the link for commands does not lead: it finds out soon which of the two is right.
    fn check_primary(&self, server: &HostPort) -> Result<(), LinkError> {
        if self.0.primary.borrow().as_ref().is_some_and(|primary| primary != server) {
            self.doubt();
            return Err(LinkError::Moved);
        }
        Ok(())
    }

    /// Tries the link for commands out at once: a caller has had no answer.
    pub fn doubt(&self) {
        self.0.doubted.notify_one();
    }

    /// Says that this node has a link of this kind, which is not connected yet.
    pub fn uses(&self, link: Link) {
        self.set(link, LinkState::Disconnected);
    }

    /// Marks a link as connected, until the guard is dropped.
    #[must_use]
    pub fn mark_connected(&self, link: Link) -> ConnectedLink {
        self.set(link, LinkState::Connected);
        tracing::info!(redis = %self.address(), link = link.label(), "connected to Redis");
        ConnectedLink { instance: self.clone(), link }
    }

    /// Whether the server, when this node last connected to it, removed keys when its memory was full.
    #[must_use]
    pub fn may_evict(&self) -> bool {
        self.0.may_evict.load(Ordering::Relaxed)
    }

    /// The state of a link.
    #[must_use]
    pub fn state(&self, link: Link) -> LinkState {
        self.0.states.borrow()[link as usize]
    }

    /// Since when a link is in its state.
    #[must_use]
    pub fn since(&self, link: Link) -> Instant {
        self.0.since.lock().unwrap_or_else(PoisonError::into_inner)[link as usize]
    }

    /// The states of its links, with every change of them.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<LinkStates> {
        self.0.states.subscribe()
    }

    /// Waits until a link is connected.
    pub async fn connected(&self, link: Link) {
        // It owns the sender, so this ends with the state alone.
        drop(self.states().wait_for(|states| states[link as usize] == LinkState::Connected).await);
    }

    fn set(&self, link: Link, state: LinkState) {
        self.0.states.send_if_modified(|states| {
            let is_other = std::mem::replace(&mut states[link as usize], state) != state;
            if is_other {
                self.0.since.lock().unwrap_or_else(PoisonError::into_inner)[link as usize] = Instant::now();
            }
            is_other
        });
    }

    /// Warns of a server that removes keys when its memory is full. After a failover it is another server, with settings of its own.
    async fn look_at_eviction(&self, connection: &MultiplexedConnection) {
        let policy = opening::eviction_policy(connection).await.filter(|policy| policy != "noeviction");
        self.0.may_evict.store(policy.is_some(), Ordering::Relaxed);
        if let Some(policy) = policy {
            tracing::warn!(redis = %self.address(), policy, "Redis may remove events when its memory is full: set maxmemory-policy to noeviction");
        }
    }

    /// Opens the link for commands again and again.
    async fn keep_commands(&self) {
        let mut backoff = Backoff::default();
        loop {
            match self.0.opener.open().await {
                Ok((server, connection, driver)) => {
                    backoff = Backoff::default();
                    self.0
                        .primary
                        .send_if_modified(|primary| primary.replace(server.clone()).as_ref() != Some(&server));
                    // A task that waits for the state uses the connection at once.
                    self.0.commands.send_replace(Some(connection.clone()));
                    let connected = self.mark_connected(Link::Commands);
                    tokio::select! {
                        () = driver => {}
                        () = self.watch_over(connection, &server) => {}
                    }
                    self.0.commands.send_replace(None);
                    drop(connected);
                }
                Err(error) => tracing::debug!(redis = %self.address(), %error, "Redis cannot be reached"),
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// Ends when the server does not answer, or is no primary any more.
    async fn watch_over(&self, connection: MultiplexedConnection, server: &HostPort) {
        self.look_at_eviction(&connection).await;
        let mut asked = Instant::now();
        loop {
            let is_doubted = tokio::time::timeout(PING_INTERVAL, self.0.doubted.notified()).await.is_ok();
            if let Err(error) = opening::check_role(&connection).await {
                tracing::warn!(redis = %self.address(), %error, "lost the connection to Redis");
                return;
            }
            if asked.elapsed() >= if is_doubted { PING_INTERVAL } else { SENTINEL_INTERVAL } {
                asked = Instant::now();
                let named = self.0.opener.named().await.filter(|named| named.by_majority && named.server != *server);
                if let Some(named) = named {
                    tracing::warn!(redis = %self.address(), before = %server, now = %named.server, "the sentinels name another primary");
                    return;
                }
            }
        }
    }
}

/// A link that is connected. Dropping it marks the link as disconnected.
#[derive(Debug)]
pub struct ConnectedLink {
    instance: Instance,
    link: Link,
}

impl Drop for ConnectedLink {
    fn drop(&mut self) {
        self.instance.set(self.link, LinkState::Disconnected);
        let (redis, link) = (self.instance.address(), self.link.label());
        if self.instance.0.is_stopping.load(Ordering::Relaxed) {
            tracing::debug!(%redis, link, "the connection to Redis is closed");
        } else {
            tracing::warn!(%redis, link, "disconnected from Redis");
        }
    }
}

/// Whether it may help to send a command again: the server has not answered in time, or is not ready yet.
pub(crate) fn is_passing(error: &RedisError) -> bool {
    error.is_io_error() || matches!(error.code(), Some("LOADING" | "BUSY" | "MASTERDOWN" | "READONLY" | "TRYAGAIN"))
}

/// The link for commands is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not connected to Redis")]
pub struct Disconnected;

#[cfg(test)]
mod tests;
