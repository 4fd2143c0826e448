//! The revocations of a cluster: each node writes those that it was given, and reads those of the others.
//!
//! They are the members of one sorted set, `<prefix>revocations`. The score is the time of Redis at which a member was added, in
//! microseconds, so that a node reads only what is new. A member is the time at which the revocation ends, in milliseconds since 1970,
//! a space, and an object in JSON. What has ended is removed when others are added.
//!
//! Each node remembers what it has written or read. It adds all of that again when the link to Redis was lost, or when Redis has less
//! than before: adding is idempotent, so no revocation is lost with the data of Redis.
//!
//! Scores from 1 to a day behind the time of Redis are right. A member with another one was not added by a node: it is skipped, and gets a
//! right score when a node that knows it adds it again.

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
use crate::link::{Disconnected, Instance, Instances, Link, LinkState, is_passing};

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
        local most = (tonumber(time[1]) + 86400) * 1000000
        local last = redis.call('zrevrangebyscore', KEYS[1], string.format('%.0f', most), 1, 'WITHSCORES', 'LIMIT', 0, 1)
        local score = math.max(math.floor(tonumber(last[2] or '0')) + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
        local refused = 0
        for number = 2, #ARGV do
            local known = tonumber(redis.call('zscore', KEYS[1], ARGV[number]) or nil)
            if not known or known < 1 or known > most then
                if not known and count >= tonumber(ARGV[1]) then
                    refused = refused + 1
                else
                    redis.call('zadd', KEYS[1], string.format('%.0f', score), ARGV[number])
                    if not known then count = count + 1 end
                    score = score + 1
                end
            end
        end
        return refused",
    )
});

/// `KEYS`: the set. `ARGV`: the score behind which members are read, how many are read. Returns how many members have that score, how many
/// have a wrong one, and the members and scores that were read.
static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local most = string.format('%.0f', (tonumber(redis.call('time')[1]) + 86400) * 1000000)
        local kept = redis.call('zcount', KEYS[1], ARGV[1], ARGV[1])
        local wrong = redis.call('zcount', KEYS[1], '-inf', '(1') + redis.call('zcount', KEYS[1], '(' .. most, '+inf')
        return {kept, wrong, redis.call('zrangebyscore', KEYS[1], '(' .. ARGV[1], most, 'WITHSCORES', 'LIMIT', 0, ARGV[2])}",
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
    read: f64,
    /// How many members have a wrong score.
    wrong: u64,
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

    /// How many revocations in Redis are skipped, because no node has added them in this way: their scores are wrong.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.0.state().wrong
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
            state.read = 0.0;
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

    /// Reads at most `most` members behind those that were read, with their scores. Returns also whether the last
    /// one that was read is still there.
    async fn page(&self, most: usize) -> Result<(bool, Vec<(Vec<u8>, f64)>), RevocationsUnavailable> {
        let mut connection = self.connection()?;
        let mut invocation = READ.key(&*self.key);
        invocation.arg(self.state().read.to_string()).arg(most);
        let read = invocation.invoke_async(&mut connection).await;
        let (kept, wrong, members): (u64, u64, Vec<(Vec<u8>, f64)>) = read.map_err(|error| self.unavailable(error))?;
        if std::mem::replace(&mut self.state().wrong, wrong) < wrong {
            tracing::warn!(wrong, "revocations in Redis have scores that no node gives, and are skipped");
        }
        Ok((kept > 0, members))
    }

    /// Tells whether the set has lost what was read last: Redis has come back with other data, or it has ended.
    async fn has_less(&self) -> Result<bool, RevocationsUnavailable> {
        let read = self.state().read;
        Ok(read > 0.0 && !self.page(0).await?.0)
    }

    /// Reads what was added since the last time, and gives it to the server.
    async fn read_new(&self) -> Result<(), RevocationsUnavailable> {
        loop {
            let (_, members) = self.page(BATCH).await?;
            let Some((_, last)) = members.last() else { return Ok(()) };
            let is_last = members.len() < BATCH;
            self.state().read = *last;
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

impl RevocationsUnavailable {
    /// Whether it may help to try again: Redis has not answered in time, or is not ready yet.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Disconnected(_) => true,
            Self::Redis(error) => is_passing(error),
        }
    }
}

#[cfg(test)]
mod tests;
