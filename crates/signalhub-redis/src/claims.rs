//! Which node owns which connection: one key for each connection, which expires unless its node renews it.
//!
//! The value is the name of the node and the random text of its start, so that a node that was started again does not take the
//! connections of the earlier one for its own. A connection that has ended leaves a mark for as long as its token could be used again.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, Script, ScriptInvocation};
use signalhub_connections::{
    Claim, ConnectionId, Node, NodeName, Owners, OwnersFuture, OwnersUnavailable, RenewedClaims,
};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::link::{Instance, Instances};
use crate::nodes::Nodes;
use crate::watched::keep_running;

/// How long a claim lasts that is not renewed.
const EXPIRY: Duration = Duration::from_secs(60);

/// The value of a connection that has ended. No name of a node has this character.
const ENDED: &str = "!";

/// How many connections may wait until it is recorded that they have ended; those beyond it are not recorded, and their claims expire.
const WAITING_RELEASES: usize = 65_536;

/// How long the end of a connection waits for further ones that are recorded together. Until then its owner answers for it.
const GATHERING: Duration = Duration::from_millis(5);

/// How many keys one script touches, so that it does not hold up the server.
const BATCH: usize = 500;

/// `KEYS`: the claim. `ARGV`: the owner, the time in ms. Returns the owner. A key of another type is no claim, and is overwritten, here and below.
static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local owner = redis.pcall('get', KEYS[1])
        if type(owner) ~= 'string' then
            redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
            return ARGV[1]
        end
        if owner == ARGV[1] and redis.call('pttl', KEYS[1]) < tonumber(ARGV[2]) then redis.call('pexpire', KEYS[1], ARGV[2]) end
        return owner",
    )
});

/// `KEYS`: claims. `ARGV`: the owner, the time in ms. Returns the numbers of those that another node owns.
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local lost = {}
        for number, key in ipairs(KEYS) do
            local owner = redis.pcall('get', key)
            if type(owner) ~= 'string' then
                redis.call('set', key, ARGV[1], 'PX', ARGV[2])
            elseif owner ~= ARGV[1] then
                lost[#lost + 1] = number
            elseif redis.call('pttl', key) < tonumber(ARGV[2]) then
                redis.call('pexpire', key, ARGV[2])
            end
        end
        return lost",
    )
});

/// `KEYS`: claims. `ARGV`: the owner, the mark of an end, and for each claim the time in ms for which its end is remembered.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for number, key in ipairs(KEYS) do
            local time = tonumber(ARGV[number + 2])
            if time > 0 then
                redis.call('set', key, ARGV[2], 'PX', time)
            elseif redis.pcall('get', key) == ARGV[1] then
                redis.call('del', key)
            end
        end",
    )
});

/// The owners of connections, in Redis. Each connection belongs to one of the servers by its id.
pub struct RedisOwners {
    keys: Keys,
    nodes: Nodes,
    releases: mpsc::Sender<Release>,
    lost: Arc<Notify>,
    // It aborts the tasks when it is dropped.
    _watching: JoinSet<()>,
}

/// What tasks need to reach the claims.
#[derive(Clone)]
struct Keys {
    instances: Instances,
    prefix: Arc<str>,
    owner: Arc<str>,
}

/// A connection that has ended.
struct Release {
    id: ConnectionId,
    remembered: Duration,
}

impl RedisOwners {
    /// Claims connections for this node, once it has joined. Must be called in a runtime.
    #[must_use]
    pub fn new(instances: &Instances, prefix: &str, nodes: &Nodes) -> Self {
        let owner = format!("{}/{}", nodes.own_name(), nodes.own_boot());
        let keys = Keys { instances: instances.clone(), prefix: prefix.into(), owner: owner.into() };
        let (releases, waiting) = mpsc::channel(WAITING_RELEASES);
        let (releasing, waiting) = (keys.clone(), Mutex::new(waiting));
        tokio::spawn(async move { keep_running("ends of connections", || releasing.release_all(&waiting)).await });
        let (lost, mut watching) = (Arc::<Notify>::default(), JoinSet::new());
        for instance in instances.all() {
            let (instance, lost) = (instance.clone(), Arc::clone(&lost));
            watching.spawn(keep_running("reconnects", move || tell_reconnects(instance.clone(), Arc::clone(&lost))));
        }
        let (nodes_of_task, changed) = (nodes.clone(), Arc::clone(&lost));
        watching.spawn(keep_running("replaced servers", move || {
            tell_changes(nodes_of_task.replaced(), Arc::clone(&changed))
        }));
        Self { keys, nodes: nodes.clone(), releases, lost, _watching: watching }
    }

    /// The node that a claim names, if it is present.
    async fn node(&self, owner: &str) -> Option<Node> {
        let (name, boot) = owner.split_once('/')?;
        Some(self.nodes.find(&NodeName::new(name).ok()?, boot).await?.node)
    }
}

/// Tells when a server is connected again: it may have lost claims meanwhile.
async fn tell_reconnects(instance: Instance, lost: Arc<Notify>) {
    let mut connections = instance.connections();
    while connections.changed().await.is_ok() {
        if connections.borrow_and_update().is_some() {
            lost.notify_one();
        }
    }
}

/// Tells when a server has other data than before.
async fn tell_changes(mut replaced: watch::Receiver<u64>, lost: Arc<Notify>) {
    while replaced.changed().await.is_ok() {
        lost.notify_one();
    }
}

impl Keys {
    fn key(&self, id: &ConnectionId) -> String {
        format!("{}c:{}", self.prefix, id.as_str())
    }

    fn instance(&self, id: &ConnectionId) -> &Instance {
        self.instances.of(id.as_str().as_bytes())
    }

    /// Renews claims at one server. Returns the connections that another node owns, and those for which the server did not answer.
    async fn renew(
        &self,
        number: usize,
        instance: &Instance,
        ids: &[ConnectionId],
    ) -> (Vec<ConnectionId>, Option<(Vec<ConnectionId>, OwnersUnavailable)>) {
        let of_instance = |id: &&ConnectionId| self.instances.number_of(id.as_str().as_bytes()) == number;
        let mut ids: Vec<_> = ids.iter().filter(of_instance).cloned().collect();
        let mut others = Vec::new();
        while !ids.is_empty() {
            let some = &ids[..ids.len().min(BATCH)];
            let mut invocation = RENEW.prepare_invoke();
            for id in some {
                invocation.key(self.key(id));
            }
            invocation.arg(&*self.owner).arg(milliseconds(EXPIRY));
            match invoke::<Vec<usize>>(instance, &invocation).await {
                Ok(lost) => others.extend(lost.iter().filter_map(|place| some.get(place.wrapping_sub(1))).cloned()),
                Err(error) => {
                    tracing::debug!(redis = %instance.address(), %error, "claims were not renewed");
                    return (others, Some((ids, error)));
                }
            }
            ids.drain(..ids.len().min(BATCH));
        }
        (others, None)
    }

    /// Records ends until the owners are dropped.
    async fn release_all(&self, waiting: &Mutex<mpsc::Receiver<Release>>) {
        let mut waiting = waiting.lock().await;
        let mut batch = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            if batch.len() < BATCH {
                tokio::time::sleep(GATHERING).await;
                while batch.len() < BATCH
                    && let Ok(release) = waiting.try_recv()
                {
                    batch.push(release);
                }
            }
            for (number, instance) in self.instances.all().iter().enumerate() {
                let of_instance = || {
                    batch.iter().filter(|release| self.instances.number_of(release.id.as_str().as_bytes()) == number)
                };
                let mut invocation = RELEASE.prepare_invoke();
                for release in of_instance() {
                    invocation.key(self.key(&release.id));
                }
                invocation.arg(&*self.owner).arg(ENDED);
                for release in of_instance() {
                    invocation.arg(milliseconds(release.remembered));
                }
                if of_instance().next().is_none() {
                    continue;
                }
                if let Err(error) = invoke::<()>(instance, &invocation).await {
                    tracing::debug!(redis = %instance.address(), %error, "ends of connections were not recorded");
                }
            }
            batch.clear();
        }
    }
}

/// Runs a script on the link for commands.
async fn invoke<T: FromRedisValue>(
    instance: &Instance,
    invocation: &ScriptInvocation<'_>,
) -> Result<T, OwnersUnavailable> {
    let mut connection = connection(instance)?;
    invocation.invoke_async(&mut connection).await.map_err(|error| unavailable(instance, &error))
}

fn connection(instance: &Instance) -> Result<MultiplexedConnection, OwnersUnavailable> {
    instance.commands().map_err(|error| OwnersUnavailable(error.to_string()))
}

fn unavailable(instance: &Instance, error: &RedisError) -> OwnersUnavailable {
    instance.doubt();
    OwnersUnavailable(error.to_string())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Owners for RedisOwners {
    fn claim<'a>(&'a self, id: &'a ConnectionId, lasting: Duration) -> OwnersFuture<'a, Claim> {
        Box::pin(async move {
            let mut invocation = CLAIM.key(self.keys.key(id));
            invocation.arg(&*self.keys.owner).arg(milliseconds(lasting.max(EXPIRY)));
            let owner: String = invoke(self.keys.instance(id), &invocation).await?;
            if *owner == *self.keys.owner {
                return Ok(Claim::Here);
            }
            Ok(self.node(&owner).await.map_or(Claim::Ended, Claim::At))
        })
    }

    fn renew<'a>(&'a self, ids: &'a [ConnectionId]) -> OwnersFuture<'a, RenewedClaims> {
        Box::pin(async move {
            let instances = self.keys.instances.all().iter().enumerate();
            // One server that is away must not end the claims at the others.
            let outcomes = join_all(instances.map(|(number, instance)| self.keys.renew(number, instance, ids))).await;
            let (mut renewed, mut last_error) = (RenewedClaims::default(), None);
            for (lost, unanswered) in outcomes {
                renewed.lost.extend(lost);
                if let Some((ids, error)) = unanswered {
                    renewed.unanswered.extend(ids);
                    last_error = Some(error);
                }
            }
            match last_error {
                Some(error) if renewed.unanswered.len() == ids.len() => Err(error),
                _ => Ok(renewed),
            }
        })
    }

    fn lost(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.lost.notified())
    }

    fn find<'a>(&'a self, id: &'a ConnectionId) -> OwnersFuture<'a, Option<Node>> {
        Box::pin(async move {
            let instance = self.keys.instance(id);
            let mut connection = connection(instance)?;
            let asked = redis::cmd("GET").arg(self.keys.key(id)).query_async(&mut connection).await;
            let owner: Option<String> = asked.map_err(|error| unavailable(instance, &error))?;
            match owner {
                Some(owner) => Ok(self.node(&owner).await),
                None => Ok(None),
            }
        })
    }

    fn release(&self, id: &ConnectionId, remembered: Duration) {
        // When it is full, Redis has not answered for a long time, and the claims expire.
        drop(self.releases.try_send(Release { id: id.clone(), remembered }));
    }
}

impl fmt::Debug for RedisOwners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOwners").field("owner", &self.keys.owner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
