//! This node's part in a cluster: what it needs to join, its state, and how it leaves.

mod error;
pub(crate) mod peers;
mod settings;
pub(crate) mod starting;

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use signalhub::connections::{Cluster, ClusterCounts, NodeName, NodeRequests, Revocation, Revocations};
use signalhub_redis::backplane::{BackplaneOptions, RedisBackplane};
use signalhub_redis::claims::RedisOwners;
use signalhub_redis::link::{Instance, Instances, LinkState};
use signalhub_redis::log::{LogOptions, RedisLog, RedisLogCounts, RedisLogError};
use signalhub_redis::mis_keys::RedisMisKeys;
use signalhub_redis::nodes::{JoinError, Nodes, Presence, random_hex};
use signalhub_redis::organisations::RedisOrganisations;
use signalhub_redis::revocations::{RedisRevocations, RevocationsUnavailable, ShareError};
use tokio::sync::watch;

pub(crate) use self::error::ClusterError;
use self::peers::Peers;
pub(crate) use self::settings::check;
use self::settings::{advertised, check_private, redis_settings};
use self::starting::Starting;
use crate::configuration::{ClusterSettings, Configuration};
use crate::lifecycle::{Lifecycle, Phase};
use crate::listener_tls::ListenerTls;

/// How long a command waits for Redis.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// The formats of events that this version reads.
const FORMATS: [u32; 1] = [1];

/// The state of a node in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeState {
    /// It is connected to Redis.
    Member,
    /// It has lost a link to Redis, or another node has its name. Its clients stay connected.
    Severed,
    /// It is about to stop.
    Leaving,
}

impl NodeState {
    /// A short name for the admin API.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Severed => "severed",
            Self::Leaving => "leaving",
        }
    }
}

/// A node that has joined its cluster.
#[derive(Clone, Debug)]
pub(crate) struct Member(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    instances: Instances,
    nodes: Nodes,
    peers: Peers,
    counts: ClusterCounts,
    prefix: Box<str>,
    log: OnceLock<Arc<RedisLog>>,
    revocations: OnceLock<RedisRevocations>,
    lifecycle: Lifecycle,
    starting: Starting,
    ready_when_severed: bool,
}

impl Member {
    /// Joins the cluster, if one is configured. Waits for Redis for up to 30 s. The part for the server of the hub is returned beside
    /// the member.
    pub(crate) async fn join(
        configuration: &Configuration,
        tls: Option<&ListenerTls>,
        lifecycle: &Lifecycle,
    ) -> Result<Option<(Self, Cluster)>, ClusterError> {
        let settings = &configuration.cluster;
        if settings.redis.is_empty() {
            return Ok(None);
        }
        let checked = check(configuration)?;
        let instances = Instances::start(&checked.redis)?;
        let starting = Starting::now();
        instances.reached(starting.left()).await?;
        let random = || NodeName::new(&random_hex()).expect("hexadecimal digits are a name");
        let name = settings.node.as_ref().map_or_else(random, |name| name.name().clone());
        let prefix = settings.prefix.as_str();
        let nodes = Nodes::new(&instances, prefix, name.clone());
        let owners = Arc::new(RedisOwners::new(&instances, prefix, &nodes));
        let peers = Peers::new(&nodes, Arc::clone(&owners) as _);
        let failed = |error| ClusterError::Listen { address: checked.listen.to_owned(), error };
        let cluster =
            Cluster::new(name.clone(), checked.secrets, owners).listen(checked.listen).await.map_err(failed)?;
        let cluster = match (checked.tls, tls) {
            (Some(client), Some(tls)) => cluster.tls(&tls.tls(), client.config()).map_err(failed)?,
            _ => cluster,
        };
        let bound = cluster.local_addr().map_err(failed)?;
        let address = match &settings.advertise {
            Some(address) => address.address().clone(),
            None => advertised(bound)?,
        };
        if !settings.tls {
            check_private(&address).await?;
        }
        let presence =
            Presence { address: Some(address.clone()), hub: settings.hub.clone(), formats: FORMATS.to_vec() };
        starting.take("join the cluster", JoinError::is_passing, async || nodes.join(presence.clone()).await).await?;
        let others = nodes.present().len().saturating_sub(1);
        tracing::info!(node = %name, %address, others, "joined the cluster");
        let counts = cluster.counts();
        let ready_when_severed = settings.ready_when_severed;
        let (log, revocations, lifecycle) = (OnceLock::new(), OnceLock::new(), lifecycle.clone());
        let prefix = prefix.into();
        let inner = Inner {
            instances,
            nodes,
            peers,
            counts,
            prefix,
            log,
            revocations,
            lifecycle,
            starting,
            ready_when_severed,
        };
        Ok(Some((Self(Arc::new(inner)), cluster)))
    }

    /// The Redis servers.
    pub(crate) fn instances(&self) -> &Instances {
        &self.0.instances
    }

    /// The other nodes, which it asks for operators and publishers.
    pub(crate) fn peers(&self) -> &Peers {
        &self.0.peers
    }

    /// The nodes that are present.
    pub(crate) fn nodes(&self) -> &Nodes {
        &self.0.nodes
    }

    /// Opens the events that all nodes share, once. Its options are those of the history and the cluster.
    pub(crate) async fn open_log(&self, mut options: LogOptions) -> Result<Arc<RedisLog>, RedisLogError> {
        options.nodes = Some(self.0.nodes.clone());
        let connect = async || RedisLog::connect(&self.0.instances, options.clone()).await;
        let log = Arc::new(self.0.starting.take("read the events", RedisLogError::is_passing, connect).await?);
        log.expect_nodes(self.0.nodes.present().len());
        Ok(Arc::clone(self.0.log.get_or_init(|| log)))
    }

    /// What passes the messages of the hub to the other nodes, and to servers of ASP.NET Core.
    pub(crate) fn backplane(&self, settings: &ClusterSettings) -> Arc<RedisBackplane> {
        let mut options = BackplaneOptions::new(settings.hub.as_str());
        settings.channel_prefix.as_str().clone_into(&mut options.channel_prefix);
        options.patience = settings.publish_patience;
        RedisBackplane::new(self.0.instances.clone(), options)
    }

    /// The organisations of PrintFactory that are connected to any node.
    pub(crate) fn organisations(&self) -> Arc<RedisOrganisations> {
        Arc::new(RedisOrganisations::new(&self.0.instances, &self.0.prefix, &self.0.nodes))
    }

    /// The keys of PrintFactory, which all nodes share.
    pub(crate) fn mis_keys(&self) -> Arc<RedisMisKeys> {
        Arc::new(RedisMisKeys::new(&self.0.instances, &self.0.prefix))
    }

    /// Shares the revocations of the server of the hub with the other nodes, once: those of the cluster act here when this returns.
    pub(crate) async fn share_revocations(&self, revocations: Revocations) -> Result<(), ClusterError> {
        let shared = RedisRevocations::new(&self.0.instances, &self.0.prefix, revocations);
        let load = async || shared.load().await;
        self.0.starting.take("read revocations", RevocationsUnavailable::is_passing, load).await?;
        self.0.revocations.get_or_init(|| shared);
        Ok(())
    }

    /// Tells the other nodes of a revocation that acts at this node.
    pub(crate) async fn share(&self, revocation: &Revocation, memory: Duration) -> Result<(), ShareError> {
        match self.0.revocations.get() {
            Some(shared) => shared.share(revocation, memory).await,
            None => Err(ShareError::Unavailable),
        }
    }

    /// How many revocations in Redis are skipped, because no node has added them.
    pub(crate) fn skipped_revocations(&self) -> u64 {
        self.0.revocations.get().map_or(0, RedisRevocations::skipped)
    }

    /// Lets it ask the other nodes with the server of the hub, once.
    pub(crate) fn ask_with(&self, requests: NodeRequests) {
        self.0.peers.ask_with(requests);
    }

    /// Waits until all links that the node uses are connected: it is a member from then on, and the other nodes are told.
    pub(crate) async fn joined(&self) -> Result<(), ClusterError> {
        let joining = async {
            for instance in self.0.instances.all() {
                // The sender lives as long as the instances, which this has.
                drop(instance.states().wait_for(|states| !states.contains(&LinkState::Disconnected)).await);
            }
            if let Some(log) = self.0.log.get() {
                log.ready().await;
            }
        };
        tokio::time::timeout(self.0.starting.left(), joining).await.map_err(|_| ClusterError::Links)?;
        self.0.nodes.announce().await;
        Ok(())
    }

    /// The time that the start of this node may take.
    pub(crate) fn starting(&self) -> Starting {
        self.0.starting
    }

    /// What the shared events count, once they are open.
    pub(crate) fn log_counts(&self) -> Option<RedisLogCounts> {
        self.0.log.get().map(|log| log.cluster_counts())
    }

    /// What the node counts.
    pub(crate) fn counts(&self) -> &ClusterCounts {
        &self.0.counts
    }

    /// The state of the node.
    pub(crate) fn state(&self) -> NodeState {
        match (self.0.lifecycle.phase(), self.is_severed() || self.0.nodes.is_replaced()) {
            (Phase::Leaving | Phase::Draining, _) => NodeState::Leaving,
            (Phase::Serving, true) => NodeState::Severed,
            (Phase::Serving, false) => NodeState::Member,
        }
    }

    /// Why the node should get no new connections, if it should not.
    pub(crate) fn unready(&self) -> Option<String> {
        if self.0.nodes.is_replaced() {
            return Some("another node has the name of this one".to_owned());
        }
        let is_ready = self.0.ready_when_severed || !self.is_severed();
        (!is_ready).then(|| "the node is severed from Redis".to_owned())
    }

    fn is_severed(&self) -> bool {
        let lost = |instance: &Instance| instance.states().borrow().contains(&LinkState::Disconnected);
        self.0.instances.all().iter().any(lost)
    }

    /// Tells the log how many nodes there are, and logs when the node is severed from Redis and a member again.
    pub(crate) async fn run(&self) -> Infallible {
        tokio::join!(self.watch_links(), self.watch_nodes(), self.read_revocations()).0
    }

    async fn read_revocations(&self) -> Infallible {
        match self.0.revocations.get() {
            Some(shared) => shared.run().await,
            None => std::future::pending().await,
        }
    }

    async fn watch_nodes(&self) -> Infallible {
        let mut nodes = self.0.nodes.changes();
        loop {
            if let Some(log) = self.0.log.get() {
                log.expect_nodes(nodes.borrow_and_update().len());
            }
            // The sender lives as long as the nodes, which this has.
            drop(nodes.changed().await);
        }
    }

    async fn watch_links(&self) -> Infallible {
        let mut states: Vec<_> = self.0.instances.all().iter().map(Instance::states).collect();
        let mut was_severed = false;
        loop {
            let is_severed = self.is_severed();
            match (was_severed, is_severed) {
                (false, true) => tracing::warn!(
                    "this node is severed from Redis: its clients stay connected, and it gets and sends no events of a Redis server that is away until that is back"
                ),
                (true, false) => tracing::info!("this node is a member of the cluster again"),
                (false, false) | (true, true) => {}
            }
            was_severed = is_severed;
            let changes: FuturesUnordered<_> = states.iter_mut().map(watch::Receiver::changed).collect();
            // The senders live as long as the instances, which this has.
            drop(changes.into_future().await);
        }
    }

    /// Removes the node from those that are present.
    pub(crate) async fn leave(&self) {
        self.0.nodes.leave().await;
        self.0.instances.stop();
        tracing::info!("left the cluster");
    }
}

/// Runs what belongs to the cluster, if there is one.
pub(crate) async fn run(member: Option<&Member>) -> Infallible {
    match member {
        Some(member) => member.run().await,
        None => std::future::pending().await,
    }
}

/// Connects a program that is no node to the Redis servers of the cluster. Waits for them for up to 10 s.
pub(crate) async fn reach(settings: &ClusterSettings) -> Result<Instances, ClusterError> {
    let instances = Instances::start(&redis_settings(settings)?)?;
    instances.reached(COMMAND_PATIENCE).await?;
    Ok(instances)
}
