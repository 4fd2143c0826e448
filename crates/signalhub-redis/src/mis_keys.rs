//! The keys of PrintFactory in Redis: one value, at one of the servers. Its first line is its version.

use std::fmt;
use std::sync::{Arc, LazyLock};

use redis::{FromRedisValue, Script, ScriptInvocation};
use signalhub_connections::BoxFuture;
use signalhub_dialects::printfactory::{KeyStore, KeyStoreError, Replacement};

use crate::link::{Instance, Instances};

/// `KEYS`: the value. `ARGV`: a version. Returns the value, or the empty text if there is none; nil if this is its version.
static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local version = string.match(redis.call('getrange', KEYS[1], 0, 63), '^[^\\n]*')
        if version == ARGV[1] then return false end
        return redis.call('get', KEYS[1]) or ''",
    )
});

/// `KEYS`: the value. `ARGV`: a version, another value. Returns whether the value had the version and was replaced.
static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local version = string.match(redis.call('getrange', KEYS[1], 0, 63), '^[^\\n]*')
        if version ~= ARGV[1] then return 0 end
        redis.call('set', KEYS[1], ARGV[2])
        return 1",
    )
});

/// The keys of PrintFactory in Redis.
#[derive(Clone)]
pub struct RedisMisKeys(Arc<Inner>);

struct Inner {
    instance: Instance,
    key: Box<str>,
}

impl RedisMisKeys {
    /// The keys of the cluster with this prefix.
    #[must_use]
    pub fn new(instances: &Instances, prefix: &str) -> Self {
        let key: Box<str> = format!("{prefix}miskeys").into();
        let instance = instances.of(key.as_bytes()).clone();
        Self(Arc::new(Inner { instance, key }))
    }
}

impl Inner {
    /// Runs a script on the link for commands.
    async fn invoke<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, KeyStoreError> {
        let unavailable = |error: &dyn fmt::Display| KeyStoreError::Unavailable(error.to_string());
        let mut connection = self.instance.commands().map_err(|error| unavailable(&error))?;
        invocation.invoke_async(&mut connection).await.map_err(|error| {
            self.instance.doubt();
            unavailable(&error)
        })
    }
}

impl KeyStore for RedisMisKeys {
    fn read(&self, known: String) -> BoxFuture<Result<Option<Vec<u8>>, KeyStoreError>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.invoke(READ.key(&*inner.key).arg(known)).await })
    }

    fn replace(&self, expected: String, value: Vec<u8>) -> BoxFuture<Result<Replacement, KeyStoreError>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            match inner.invoke(REPLACE.key(&*inner.key).arg(expected).arg(value)).await? {
                true => Ok(Replacement::Done),
                false => Ok(Replacement::Outdated),
            }
        })
    }
}

impl fmt::Debug for RedisMisKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisMisKeys").field("key", &self.0.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
