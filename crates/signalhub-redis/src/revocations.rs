//! The revocations of a cluster: each node writes those that it was given, and reads those of the others.
//!
//! They are the members of one sorted set, `<prefix>revocations`. The score is the time of Redis at which a member was added, in
//! microseconds, so that a node reads only what is new. A member is the time at which the revocation ends, in milliseconds since 1970,
//! a space, and an object in JSON. What has ended is removed when others are added.
//!
//! Each node remembers what it has written or read. It adds all of that again when the link to Redis was lost, or when Redis has less
//! than before: adding is idempotent, so no revocation is lost with the data of Redis.

mod entry;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};
use signalhub_connections::{Revocation, Revocations, RevokeError};

use self::entry::Entry;
use crate::link::{Disconnected, Instance, Instances, Link, LinkState};

/// How often a node asks for new revocations.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many revocations a cluster has at most: as many as a node keeps.
const MOST: usize = 100_000;

/// How many members one command reads or adds, so that it does not hold up the server.
const BATCH: usize = 500;

/// By how much the clock of the node that wrote a revocation may be ahead.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// `KEYS`: the set. `ARGV`: how many members it has at most, then the members. Removes members that have ended, as long as the oldest
/// ones have. Returns how many of the members are not in the set because it is full.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('time')
        local now = tonumber(time[1]) * 1000
        for _, member in ipairs(redis.call('zrange', KEYS[1], 0, 999)) do
            local ends = tonumber(string.match(member, '^(%d+) ')) or 0
            if ends <= now then redis.call('zrem', KEYS[1], member) end
        end
        local count = redis.call('zcard', KEYS[1])
        local last = redis.call('zrange', KEYS[1], -1, -1, 'WITHSCORES')
        local score = math.max(tonumber(last[2] or '0') + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
        local refused = 0
        for number = 2, #ARGV do
            if not redis.call('zscore', KEYS[1], ARGV[number]) then
                if count >= tonumber(ARGV[1]) then
                    refused = refused + 1
                else
                    redis.call('zadd', KEYS[1], string.format('%.0f', score), ARGV[number])
                    count = count + 1
                    score = score + 1
                end
            end
        end
        return refused",
    )
});

/// Why the other nodes do not know of a revocation. It acts at this node all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// Redis cannot be reached, or has not answered. The revocation is written when it can be reached again.
    #[error("Redis cannot be reached: the other nodes learn of it when this node is connected to Redis again")]
    Unavailable,
    /// The names are too long.
    #[error("it is too long for the other nodes: an entry has at most {} bytes", Entry::LONGEST)]
    TooLong,
    /// The cluster has 100 000 revocations.
    #[error(
        "there are {MOST} revocations in the cluster already: the other nodes learn of no other one until some of them end"
    )]
    Full,
}

/// The revocations that a server shares with the other nodes of its cluster. Clones share them.
#[derive(Clone)]
pub struct RedisRevocations(Arc<Inner>);

struct Inner {
    instance: Instance,
    key: Box<str>,
    revocations: Revocations,
    state: Mutex<State>,
}

/// What this node knows.
#[derive(Debug, Default)]
struct State {
    /// What it has written or read and has not ended, the one that ends first in front.
    known: BTreeSet<Entry>,
    /// The score up to which the set was read.
    read: u64,
    /// Those whose time is ahead of the clock of this node. They are given to the server once more at their time.
    ahead: Vec<Entry>,
}

impl RedisRevocations {
    /// Shares the revocations of a server.
    #[must_use]
    pub fn new(instances: &Instances, prefix: &str, revocations: Revocations) -> Self {
        let key: Box<str> = format!("{prefix}revocations").into();
        let instance = instances.of(key.as_bytes()).clone();
        Self(Arc::new(Inner { instance, key, revocations, state: Mutex::default() }))
    }

    /// Tells the other nodes of a revocation that this server was given just now, with the time for which it lasts. What the server
    /// refused must not be shared.
    ///
    /// # Errors
    /// If the other nodes do not learn of it now.
    pub async fn share(&self, revocation: &Revocation, memory: Duration) -> Result<(), ShareError> {
        let entry =
            Entry::new(revocation, SystemTime::now() + memory.min(Entry::LONGEST_TIME)).ok_or(ShareError::TooLong)?;
        if !self.0.state().remember(entry.clone(), SystemTime::now()) {
            return Err(ShareError::Full);
        }
        match self.0.add(&[entry]).await {
            Ok(0) => Ok(()),
            Ok(_) => Err(ShareError::Full),
            Err(error) => {
                tracing::warn!(redis = %self.0.instance.address(), %error, "a revocation was not shared with the other nodes yet");
                Err(ShareError::Unavailable)
            }
        }
    }

    /// Reads all revocations of the cluster. A node does this before it accepts clients.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn load(&self) -> Result<(), RevocationsUnavailable> {
        self.0.read_new().await
    }

    /// Reads new revocations each second, and adds those of this node again when the link to Redis was lost.
    pub async fn run(&self) -> Infallible {
        let mut states = self.0.instance.states();
        let mut is_complete = false;
        loop {
            // Redis may have come back with other data, also when the link is connected again by now.
            is_complete &= tokio::time::timeout(INTERVAL, states.changed()).await.is_err();
            if states.borrow_and_update()[Link::Commands as usize] != LinkState::Connected {
                continue;
            }
            let now = SystemTime::now();
            self.0.apply_those_ahead(now);
            let step = async {
                if !is_complete || self.0.has_less().await? {
                    self.0.add_all().await?;
                }
                self.0.read_new().await
            };
            is_complete = match step.await {
                Ok(()) => true,
                Err(error) => {
                    tracing::debug!(redis = %self.0.instance.address(), %error, "revocations of the other nodes cannot be read");
                    false
                }
            };
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Result<MultiplexedConnection, RevocationsUnavailable> {
        Ok(self.instance.commands()?)
    }

    /// Adds entries, and returns how many the full set has refused.
    async fn add(&self, entries: &[Entry]) -> Result<usize, RevocationsUnavailable> {
        let mut connection = self.connection()?;
        let mut invocation = ADD.key(&*self.key);
        invocation.arg(MOST);
        for entry in entries {
            invocation.arg(entry.as_str());
        }
        let added = invocation.invoke_async(&mut connection).await;
        added.map_err(|error| self.unavailable(error))
    }

    /// Adds what this node knows, and reads everything again.
    async fn add_all(&self) -> Result<(), RevocationsUnavailable> {
        let known: Vec<Entry> = {
            let mut state = self.state();
            state.forget(SystemTime::now());
            state.read = 0;
            state.known.iter().cloned().collect()
        };
        let mut refused = 0;
        for entries in known.chunks(BATCH) {
            refused += self.add(entries).await?;
        }
        if refused > 0 {
            tracing::warn!(
                refused,
                "there are too many revocations in the cluster: other nodes do not know of all of them"
            );
        }
        Ok(())
    }

    /// Tells whether the set has lost what was read: then Redis has come back with other data.
    async fn has_less(&self) -> Result<bool, RevocationsUnavailable> {
        let read = self.state().read;
        if read == 0 {
            return Ok(false);
        }
        let mut connection = self.connection()?;
        let command = redis::cmd("ZCOUNT").arg(&*self.key).arg(read).arg("+inf").query_async(&mut connection).await;
        let count: u64 = command.map_err(|error| self.unavailable(error))?;
        Ok(count == 0)
    }

    /// Reads what was added since the last time, and gives it to the server.
    async fn read_new(&self) -> Result<(), RevocationsUnavailable> {
        loop {
            let mut connection = self.connection()?;
            let after = format!("({}", self.state().read);
            let mut command = redis::cmd("ZRANGEBYSCORE");
            command.arg(&*self.key).arg(after).arg("+inf").arg("WITHSCORES").arg("LIMIT").arg(0).arg(BATCH);
            let read = command.query_async(&mut connection).await;
            let members: Vec<(Vec<u8>, f64)> = read.map_err(|error| self.unavailable(error))?;
            let Some((_, last)) = members.last() else { return Ok(()) };
            let is_last = members.len() < BATCH;
            // Scores are whole, and below 2^53.
            self.state().read = *last as u64;
            for (member, _) in members {
                self.accept(&member, SystemTime::now());
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Gives the server a revocation of another node, unless this node knows it.
    fn accept(&self, member: &[u8], now: SystemTime) {
        let Some((entry, revocation)) = Entry::read(member) else {
            tracing::warn!("a revocation in Redis has an unknown format and is ignored");
            return;
        };
        if entry.ends() <= now || self.state().known.contains(&entry) {
            return;
        }
        if is_ahead(&revocation, now + CLOCK_TOLERANCE) {
            tracing::warn!("a revocation in Redis is for a time in the future and is ignored");
            return;
        }
        if !self.state().remember(entry.clone(), now) {
            tracing::warn!("there are {MOST} revocations already: one of another node is ignored");
            return;
        }
        if is_ahead(&revocation, now) {
            self.state().ahead.push(entry.clone());
        }
        self.apply(&entry, revocation, now);
    }

    /// Gives the server once more the revocations whose time has come by its own clock.
    fn apply_those_ahead(&self, now: SystemTime) {
        let due: Vec<_> = {
            let is_due = |entry: &mut Entry| entry.revocation().is_none_or(|revocation| !is_ahead(&revocation, now));
            self.state().ahead.extract_if(.., is_due).collect()
        };
        for entry in due {
            if let Some(revocation) = entry.revocation() {
                self.apply(&entry, revocation, now);
            }
        }
    }

    fn apply(&self, entry: &Entry, revocation: Revocation, now: SystemTime) {
        let revocation = match revocation {
            Revocation::User { user, organisation, before } => {
                Revocation::User { user, organisation, before: before.min(now) }
            }
            other => other,
        };
        let remaining = entry.ends().duration_since(now).unwrap_or_default();
        match self.revocations.revoke(&revocation, remaining) {
            Ok(()) => tracing::info!("credentials were revoked by another node"),
            Err(error @ RevokeError::Full) => tracing::error!(%error, "a revocation of another node is ignored"),
            Err(error) => tracing::warn!(%error, "a revocation of another node is ignored"),
        }
    }

    fn unavailable(&self, error: RedisError) -> RevocationsUnavailable {
        self.instance.doubt();
        error.into()
    }
}

impl State {
    /// Returns false if there are too many.
    fn remember(&mut self, entry: Entry, now: SystemTime) -> bool {
        if self.known.len() >= MOST {
            self.forget(now);
        }
        let has_room = self.known.len() < MOST || self.known.contains(&entry);
        if has_room {
            self.known.insert(entry);
        }
        has_room
    }

    /// Removes what has ended.
    fn forget(&mut self, now: SystemTime) {
        while self.known.first().is_some_and(|entry| entry.ends() <= now) {
            self.known.pop_first();
        }
    }
}

fn is_ahead(revocation: &Revocation, now: SystemTime) -> bool {
    matches!(revocation, Revocation::User { before, .. } if *before > now)
}

impl fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRevocations").field("key", &self.0.key).finish_non_exhaustive()
    }
}

/// Redis has not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationsUnavailable {
    /// The link for commands is not connected.
    #[error(transparent)]
    Disconnected(#[from] Disconnected),
    /// The command has failed.
    #[error("revocations: {0}")]
    Redis(#[from] RedisError),
}

#[cfg(test)]
mod tests;
