//! The entry of this node, what it reads of the others, and which of them it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use signalhub_connections::{NodeAddress, NodeName};
use tokio::sync::Notify;

use super::beat::{self, Beaten, Entries, Keys, MOST, Replaces};
use super::entry::Entry;
use super::servers::Servers;
use super::{INTERVAL, JoinError, Presence, PresentNode, VERSION, connection, random_hex, unix_time};
use crate::link::{Instance, Instances};

/// By how much the clock of a node may differ from that of Redis. Nodes refuse forwarded requests when their clocks differ by 30 s.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(15);

/// What writes the entry of this node.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) instances: Instances,
    pub(super) keys: Keys,
    /// What this node says about itself, and when it was started; empty until it joins.
    pub(super) presence: OnceLock<(Presence, u64)>,
    pub(super) servers: Servers,
    /// Another node tells that it has come or gone.
    pub(super) others_changed: Notify,
    /// What was read last from each server.
    read: Mutex<Vec<Read>>,
    /// Whether another node has its name, so that it does not write its entry.
    pub(super) is_replaced: AtomicBool,
}

/// What was read from one server.
#[derive(Clone, Debug, Default)]
struct Read {
    nodes: BTreeMap<NodeName, PresentNode>,
    /// Nodes with another list of servers.
    unfit: BTreeSet<NodeName>,
}

impl Own {
    pub(super) fn new(instances: &Instances, prefix: &str, name: NodeName) -> Self {
        Self {
            instances: instances.clone(),
            keys: Keys { prefix: prefix.into(), name, boot: random_hex().into() },
            presence: OnceLock::new(),
            servers: Servers::new(instances, prefix),
            others_changed: Notify::new(),
            read: Mutex::new(vec![Read::default(); instances.all().len()]),
            is_replaced: AtomicBool::new(false),
        }
    }

    /// The entry of this node; `None` until it joins.
    pub(super) fn entry(&self) -> Option<String> {
        let (presence, started) = self.presence.get()?;
        let entry = Entry {
            v: VERSION,
            boot: self.keys.boot.to_string(),
            address: presence.address.as_ref().map(|address| address.as_str().to_owned()),
            formats: presence.formats.clone(),
            hub: presence.hub.clone(),
            started: *started,
            redis: self.servers.now(),
        };
        Some(serde_json::to_string(&entry).expect("texts and numbers can be written as JSON"))
    }

    /// Tells the other nodes to read the entries at once. One that does not get this reads them within 3 s.
    pub(super) async fn tell_others(&self, instance: &Instance) {
        let Ok(mut connection) = instance.commands() else { return };
        let told = redis::cmd("PUBLISH")
            .arg(self.keys.names())
            .arg(self.keys.name.as_str())
            .query_async(&mut connection)
            .await;
        if let Err(error) = told.map(|_: redis::Value| ()) {
            tracing::debug!(redis = %instance.address(), %error, "the other nodes were not told of this one");
        }
    }

    /// All nodes by what was read last. Nodes that use other servers may be among them.
    pub(super) fn all(&self) -> BTreeMap<NodeName, PresentNode> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.iter().flat_map(|read| &read.nodes).map(|(name, node)| (name.clone(), node.clone())).collect()
    }

    /// As [`others`](Self::others), but waits until nodes whose entries name data that a server has lost have written them again.
    pub(super) async fn fitting_others(&self) -> Result<BTreeMap<NodeName, PresentNode>, JoinError> {
        for _ in 0..2 {
            match self.others().await {
                Err(JoinError::OtherServers(_)) => tokio::time::sleep(INTERVAL).await,
                others => return others,
            }
        }
        self.others().await
    }

    /// Reads the nodes that are present on all servers, and refuses those with another list of servers.
    pub(super) async fn others(&self) -> Result<BTreeMap<NodeName, PresentNode>, JoinError> {
        let mut others = BTreeMap::new();
        let servers = self.servers.now();
        for instance in self.instances.all() {
            let failed = |error| JoinError::Redis { address: instance.address().to_string(), error };
            let mut connection = connection(instance)?;
            for (name, entry) in beat::read(&self.keys, &mut connection).await.map_err(failed)? {
                let Some((entry, node)) = Entry::read(&name, &entry) else { continue };
                if !entry.redis.fits(&servers) && node.node.name != self.keys.name {
                    return Err(JoinError::OtherServers(node.node.name));
                }
                others.insert(node.node.name.clone(), node);
            }
        }
        Ok(others)
    }

    /// Refuses nodes that cannot work with this one.
    pub(super) fn check(&self, presence: &Presence, others: &BTreeMap<NodeName, PresentNode>) -> Result<(), JoinError> {
        let others = others.values().filter(|other| other.node.name != self.keys.name);
        for other in others {
            if !other.formats.iter().any(|format| presence.formats.contains(format)) {
                return Err(JoinError::Formats(other.node.name.clone()));
            }
            if other.hub != presence.hub {
                tracing::warn!(
                    node = %other.node.name, hub = other.hub,
                    "a node has another cluster.hub: it shares no groups, users and broadcasts with this one"
                );
            }
        }
        Ok(())
    }

    /// Writes the entry to all servers, and reads those of the others. Returns the outcome at each server.
    pub(super) async fn beat_all(&self, replaces: Replaces) -> Vec<Result<(), JoinError>> {
        let asked = self.servers.identify().await;
        let Some(entry) = self.entry() else { return Vec::new() };
        let (mut outcomes, mut is_answered, mut other) = (Vec::new(), false, None);
        for ((number, instance), asked) in self.instances.all().iter().enumerate().zip(asked) {
            let beaten = async {
                asked?;
                beat::write(&self.keys, &entry, replaces, &mut connection(instance)?).await.map_err(|error| {
                    instance.doubt();
                    JoinError::Redis { address: instance.address().to_string(), error }
                })
            };
            outcomes.push(beaten.await.map(|Beaten { now, other: found, entries }| {
                check_clock(now, instance);
                self.read_entries(number, entries);
                is_answered = true;
                other = other.take().or(found);
            }));
        }
        if is_answered {
            self.announce_replaced(other.as_deref());
        }
        outcomes
    }

    /// Logs when another node has taken the name, and when it is free again. The entry is that of the other node.
    pub(super) fn announce_replaced(&self, other: Option<&str>) {
        let address = |address: Option<&NodeAddress>| address.map_or_else(|| "unknown".to_owned(), ToString::to_string);
        match (self.is_replaced.swap(other.is_some(), Ordering::Relaxed), other) {
            (false, Some(other)) => {
                let other = Entry::read(self.keys.name.as_str(), other).and_then(|(_, node)| node.node.address);
                let own = self.presence.get().and_then(|(presence, _)| presence.address.as_ref());
                tracing::error!(
                    node = %self.keys.name, address = address(own), other = address(other.as_ref()),
                    "another node has the name of this one: this one is not in the cluster until the other has left. Names in a cluster must differ"
                );
            }
            (true, None) => tracing::info!(node = %self.keys.name, "this node has its name in the cluster again"),
            (false, None) | (true, Some(_)) => {}
        }
    }

    pub(super) fn read_entries(&self, number: usize, entries: Entries) {
        let servers = self.servers.now();
        let mut found = BTreeMap::new();
        let mut unfit = BTreeSet::new();
        for (name, text) in entries {
            let Some((entry, node)) = Entry::read(&name, &text) else { continue };
            if !entry.redis.fits(&servers) {
                unfit.insert(node.node.name);
                continue;
            }
            found.insert(node.node.name.clone(), node);
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Read { nodes, unfit: known } = &mut read[number];
        for node in unfit.difference(known) {
            tracing::error!(
                %node,
                "a node has another list of Redis servers: events and messages get lost between it and this one"
            );
        }
        if found.len() >= MOST && nodes.len() < MOST {
            tracing::error!(most = MOST, "there are more nodes in Redis than are read: some of them are not found");
        }
        read[number] = Read { nodes: found, unfit };
    }
}

fn check_clock(now: u64, instance: &Instance) {
    let difference = Duration::from_secs(now.abs_diff(unix_time()));
    if difference > CLOCK_TOLERANCE {
        tracing::error!(redis = %instance.address(), ?difference, "the clock of this node differs from that of Redis: other nodes will refuse its requests");
    }
}
