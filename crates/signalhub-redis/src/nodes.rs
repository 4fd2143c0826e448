//! Which nodes are present, and what each of them says about itself.
//!
//! A node writes its entry to every server each 3 s, and reads those of the others in the same step. An entry expires after 10 s. It names
//! the data of each server, so that nodes with different lists of servers find that out. A node that comes or goes tells the others on a
//! channel, and they read the entries at once.
//!
//! A node that has lost Redis for longer may find that another one has taken its name. Then it does not write its entry, so there are never
//! two nodes of one name: the one that has it keeps it, until its entry expires or it leaves.

mod beat;
mod entry;
mod name;
mod own;
mod servers;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use signalhub_connections::{Node, NodeAddress, NodeName};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::beat::Replaces;
use self::entry::Entry;
use self::own::Own;
use crate::link::{Disconnected, Instance, Instances, is_passing};
use crate::watched::keep_running;

/// How often a node writes its entry.
const INTERVAL: Duration = Duration::from_secs(3);

/// How long a node does not look at the others again because one tells that it has come or gone.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// How long an entry lasts, in seconds.
const EXPIRY: u64 = 10;

/// After how many seconds the name of a node that is away is removed from the set of names.
const SWEPT: u64 = 60;

/// The format of the entry of a node.
const VERSION: u32 = 1;

/// What a node says about itself.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Where it accepts the requests that other nodes forward.
    pub address: Option<NodeAddress>,
    /// The name of its hub on the backplane.
    pub hub: String,
    /// The formats of events that it reads. It must be able to write them, too.
    pub formats: Vec<u32>,
}

/// A node that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentNode {
    /// Its name and address.
    pub node: Node,
    /// A random text that differs each time the node is started.
    pub boot: String,
    /// The name of its hub on the backplane.
    pub hub: String,
    /// The formats of events that it reads.
    pub formats: Vec<u32>,
    /// When it was started, in seconds since 1970, by its own clock.
    pub started: u64,
}

/// The nodes that are present. Dropping the last clone ends this node's own entry within 10 s.
#[derive(Clone, Debug)]
pub struct Nodes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: Arc<Own>,
    present: watch::Sender<Arc<BTreeMap<NodeName, PresentNode>>>,
    beating: Mutex<Option<JoinHandle<()>>>,
}

/// Why a node cannot join its cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// A server does not answer as expected.
    #[error("{address}: {error}")]
    Redis {
        /// The server, without a password.
        address: String,
        /// What it answers.
        #[source]
        error: RedisError,
    },
    /// A server is not connected any more.
    #[error("{0}: not connected")]
    Disconnected(String),
    /// Another node has the name.
    #[error("another node has the name {0}: names in a cluster must differ")]
    NameTaken(NodeName),
    /// Another node uses other servers.
    #[error("node {0} has another list of Redis servers: all nodes of a cluster need the same list in the same order")]
    OtherServers(NodeName),
    /// Two addresses lead to one server.
    #[error("{0} and {1} are the same Redis server: each server must be in the list once")]
    SameServer(String, String),
    /// Another node has no format in common with this one.
    #[error(
        "node {0} reads no format of events that this version writes: update it first, in steps of at most two minor releases"
    )]
    Formats(NodeName),
}

impl JoinError {
    /// Whether it may help to try again: a server has not answered in time, or is not ready yet.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Redis { error, .. } => is_passing(error),
            Self::Disconnected(_) => true,
            Self::NameTaken(_) | Self::OtherServers(_) | Self::SameServer(..) | Self::Formats(_) => false,
        }
    }
}

impl Nodes {
    /// A node that has not [joined](Self::join) yet.
    #[must_use]
    pub fn new(instances: &Instances, prefix: &str, name: NodeName) -> Self {
        let own = Own::new(instances, prefix, name);
        let present = watch::channel(Arc::default()).0;
        Self(Arc::new(Inner { own: Arc::new(own), present, beating: Mutex::new(None) }))
    }

    /// Joins the cluster: checks the other nodes, writes the entry of this one, and keeps it. It may be called again after an error that
    /// [passes](JoinError::is_passing), and not after it has succeeded.
    ///
    /// If a node of the same name was killed, this waits until it has missed a time to write its entry, and takes the name over if nothing
    /// listens at the address of that node, or this node does. Otherwise it waits until the entry has expired.
    ///
    /// # Errors
    /// If this node does not fit to those that are present, or a server cannot be asked.
    pub async fn join(&self, presence: Presence) -> Result<(), JoinError> {
        let own = &self.0.own;
        let (presence, _) = own.presence.get_or_init(|| (presence, unix_time()));
        for asked in own.servers.identify().await {
            asked?;
        }
        own.servers.check()?;
        let others = own.fitting_others().await?;
        own.check(presence, &others)?;
        name::take(own).await?;
        let before = common_format(others.values());
        for written in own.beat_all(Replaces::Any).await {
            written?;
        }
        // A node may have joined at the same time.
        own.others().await?;
        let all = own.all();
        own.check(presence, &all)?;
        self.0.present.send_replace(Arc::new(all));
        let nodes = Arc::downgrade(&self.0);
        let beating = tokio::spawn(async move { keep_running("presence", || beat(nodes.clone())).await });
        *self.0.beating.lock().unwrap_or_else(PoisonError::into_inner) = Some(beating);
        if before.is_some_and(|before| self.format() < before) {
            // The others write a format that this node does not read, until they have read its entry.
            tokio::time::sleep(2 * INTERVAL).await;
        }
        Ok(())
    }

    /// The name of this node.
    #[must_use]
    pub fn own_name(&self) -> &NodeName {
        &self.0.own.keys.name
    }

    /// The random text of this start of this node.
    #[must_use]
    pub fn own_boot(&self) -> &str {
        &self.0.own.keys.boot
    }

    /// The nodes that are present by what was read last, this one included. While no server can be reached, these are the ones
    /// that were present before.
    #[must_use]
    pub fn present(&self) -> Arc<BTreeMap<NodeName, PresentNode>> {
        Arc::clone(&self.0.present.borrow())
    }

    /// The nodes that are present, with every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<BTreeMap<NodeName, PresentNode>>> {
        self.0.present.subscribe()
    }

    /// Tells whether another node has taken the name of this one, because this one had lost Redis for longer than 10 s. Then this node is
    /// not present: other nodes do not find the connections that it owns. It is present again when the other one has left.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.0.own.is_replaced.load(Ordering::Relaxed)
    }

    /// How often a server was found with other data than before: it was emptied or replaced.
    pub(crate) fn replaced(&self) -> watch::Receiver<u64> {
        self.0.own.servers.replaced()
    }

    /// Finds a node that is present, by its name and the random text of its start. One that has started since the last time is looked for
    /// in Redis.
    pub(crate) async fn find(&self, name: &NodeName, boot: &str) -> Option<PresentNode> {
        if let Some(found) = self.present().get(name).filter(|found| found.boot == boot) {
            return Some(found.clone());
        }
        for instance in self.0.own.instances.all() {
            let Ok(mut connection) = instance.commands() else { continue };
            let entry: Result<Option<String>, _> =
                redis::cmd("GET").arg(self.0.own.keys.entry(name)).query_async(&mut connection).await;
            let found = entry.ok().flatten().and_then(|entry| Entry::read(name.as_str(), &entry));
            if let Some((_, found)) = found.filter(|(entry, _)| entry.boot == boot) {
                return Some(found);
            }
        }
        None
    }

    /// The highest format of events that all nodes read: the one to write. It changes as nodes come and go.
    #[must_use]
    pub fn format(&self) -> u32 {
        common_format(self.present().values()).unwrap_or(VERSION)
    }

    /// Tells the other nodes that this one is there, and gives them a moment to read its entry. Without it they know within 3 s.
    pub async fn announce(&self) {
        for instance in self.0.own.instances.all() {
            self.0.own.tell_others(instance).await;
        }
        if self.present().len() > 1 {
            tokio::time::sleep(2 * LOOK_PAUSE).await;
        }
    }

    /// The channel on which nodes tell that they have come or gone.
    pub(crate) fn channel(&self) -> String {
        // The set of names has the same key: channels are apart from keys.
        self.0.own.keys.names()
    }

    /// Reads the entries of the others soon, because one of them may have come or gone.
    pub(crate) fn look(&self) {
        self.0.own.others_changed.notify_one();
    }

    /// Removes the entry of this node: it will get no further requests. Waits for Redis for at most 1 s.
    pub async fn leave(&self) {
        if let Some(beating) = self.0.beating.lock().unwrap_or_else(PoisonError::into_inner).take() {
            beating.abort();
        }
        let own = &self.0.own;
        for instance in own.instances.all() {
            let Ok(mut connection) = instance.commands() else { continue };
            if let Err(error) = beat::remove(&own.keys, &mut connection).await {
                tracing::debug!(redis = %instance.address(), %error, "the entry of this node was not removed");
            }
            own.tell_others(instance).await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(beating) = self.beating.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            beating.abort();
        }
    }
}

/// Writes the entry each 3 s, and when other nodes have come or gone, until the nodes are dropped.
async fn beat(nodes: std::sync::Weak<Inner>) {
    let Some(own) = nodes.upgrade().map(|nodes| Arc::clone(&nodes.own)) else { return };
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut is_refused = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = own.others_changed.notified() => {}
        }
        let errors: Vec<_> = own.beat_all(Replaces::Own).await.into_iter().filter_map(Result::err).collect();
        let refusal = errors.iter().find(|error| !error.is_passing());
        if let Some(error) = refusal.filter(|_| !is_refused) {
            tracing::error!(%error, "Redis refuses the entry of this node: the other nodes do not find its connections");
        }
        for error in &errors {
            tracing::debug!(%error, "the entry of this node was not written");
        }
        is_refused = refusal.is_some();
        let Some(nodes) = nodes.upgrade() else { return };
        nodes.present.send_if_modified(|present| {
            let now = own.all();
            announce(present, &now, &own.keys.name);
            let is_other = **present != now;
            if is_other {
                *present = Arc::new(now);
            }
            is_other
        });
        drop(nodes);
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Logs which nodes have come and gone.
fn announce(before: &BTreeMap<NodeName, PresentNode>, now: &BTreeMap<NodeName, PresentNode>, own: &NodeName) {
    for (name, node) in now {
        let is_new = before.get(name).is_none_or(|before| before.boot != node.boot);
        match &node.node.address {
            _ if !is_new || name == own => {}
            Some(address) => tracing::info!(node = %name, %address, "a node has joined the cluster"),
            None => tracing::info!(node = %name, "a node has joined the cluster"),
        }
    }
    for name in before.keys().filter(|name| !now.contains_key(*name) && *name != own) {
        tracing::warn!(node = %name, "a node has left the cluster");
    }
}

/// The link for commands to a server.
fn connection(instance: &Instance) -> Result<MultiplexedConnection, JoinError> {
    instance.commands().map_err(|Disconnected| JoinError::Disconnected(instance.address().to_string()))
}

/// The highest format that all of these nodes read; `None` without nodes.
fn common_format<'a>(mut nodes: impl Iterator<Item = &'a PresentNode>) -> Option<u32> {
    let mut common = nodes.next()?.formats.clone();
    nodes.for_each(|node| common.retain(|format| node.formats.contains(format)));
    common.into_iter().max()
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// 16 random hexadecimal digits.
///
/// # Panics
/// If the system has no random numbers.
#[must_use]
pub fn random_hex() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system has a random number generator");
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests;
