//! What tells the data of one Redis server from that of another, and from what the same server had before it lost everything.
//!
//! Each server has the key `<prefix>instance`: 16 random hexadecimal digits, which the first node writes that finds none. The key is
//! lost together with the rest, so a server that comes back empty gets other digits. It is copied together with the rest, so a replica
//! that becomes the primary has the same ones.

use std::fmt;
use std::sync::LazyLock;

use redis::aio::ConnectionLike;
use redis::{ErrorKind, RedisError, Script};
use serde::{Deserialize, Serialize};

/// `KEYS`: the id. `ARGV`: the id that the server gets if it has none. Returns the id.
static IDENTIFY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local id = redis.call('get', KEYS[1])
        if not id or #id ~= 16 or string.find(id, '[^0-9a-f]') then
            id = ARGV[1]
            redis.call('set', KEYS[1], id)
        end
        return id",
    )
});

/// Identifies the data of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct DatasetId(u64);

impl DatasetId {
    /// One that no other server has.
    pub(crate) fn random() -> Self {
        Self(getrandom::u64().expect("the operating system has a random number generator"))
    }

    /// Reads 16 hexadecimal digits.
    pub(crate) fn read(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    /// The key that has it.
    pub(crate) fn key(prefix: &str) -> String {
        format!("{prefix}instance")
    }

    /// Asks a server for the id of its data, and gives it one if it has none.
    pub(crate) async fn ask(prefix: &str, connection: &mut impl ConnectionLike) -> Result<Self, RedisError> {
        let mut invocation = IDENTIFY.key(Self::key(prefix));
        invocation.arg(Self::random().to_string());
        let id: String = invocation.invoke_async(connection).await?;
        Self::read(&id).ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "the id of the data")))
    }
}

impl From<DatasetId> for String {
    fn from(id: DatasetId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for DatasetId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::read(&text).ok_or("16 hexadecimal digits are expected")
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests;
