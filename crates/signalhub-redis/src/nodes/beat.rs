//! Writing and removing the entry of a node at one server. Neither touches the entry of another node that has the same name.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};

use super::{EXPIRY, Own, SWEPT};

/// The function `other(entry, boot)`: whether an entry is that of another start than this one.
const OTHER: &str = "local function other(entry, boot)
        local is_read, read = pcall(cjson.decode, entry)
        return is_read and type(read) == 'table' and type(read.boot) == 'string' and read.boot ~= boot
    end
    ";

/// Writes an entry and reads all of them. Its times are those of Redis, so that a node with a wrong clock removes no other.
/// `KEYS`: the entry, the set of names. `ARGV`: the entry, the name, the prefix of entries, the expiry, the age at which names are removed,
/// the random text of this start, `own` or `any` for the entries that may be replaced. Returns the time, the entry of another node that has
/// the name or an empty text, and all entries.
static BEAT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{OTHER}local now = tonumber(redis.call('time')[1])
        local found = redis.pcall('get', KEYS[1])
        local taken = ''
        if ARGV[7] == 'own' and other(found, ARGV[6]) then
            taken = found
        else
            redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[4])
            redis.call('zadd', KEYS[2], now, ARGV[2])
        end
        redis.call('zremrangebyscore', KEYS[2], '-inf', '(' .. (now - tonumber(ARGV[5])))
        local entries = {{}}
        for _, name in ipairs(redis.call('zrange', KEYS[2], 0, 999)) do
            local entry = redis.call('get', ARGV[3] .. name)
            if entry then entries[#entries + 1] = name; entries[#entries + 1] = entry end
        end
        return {{now, taken, entries}}"
    ))
});

/// `KEYS`: the entry, the set of names. `ARGV`: the name, the random text of this start.
static LEAVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(&format!(
        "{OTHER}if other(redis.pcall('get', KEYS[1]), ARGV[2]) then return end
        redis.call('del', KEYS[1])
        redis.call('zrem', KEYS[2], ARGV[1])"
    ))
});

/// Which entry of the name of a node it may replace.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replaces {
    /// Only its own, or none.
    Own,
    /// Any: it has just [taken](super::name::take) the name.
    Any,
}

/// What a node found when it wrote its entry.
#[derive(Debug)]
pub(super) struct Beaten {
    /// The time of the server, in seconds since 1970.
    pub(super) now: u64,
    /// The entry of another node that has the name of this one. That of this node was not written then.
    pub(super) other: Option<String>,
    /// The entries of all nodes, by their names.
    pub(super) entries: Vec<(String, String)>,
}

/// Writes the entry of a node, and reads all entries.
pub(super) async fn write(
    own: &Own,
    entry: &str,
    replaces: Replaces,
    connection: &mut MultiplexedConnection,
) -> Result<Beaten, RedisError> {
    let mut invocation = BEAT.key(own.key(&own.name));
    invocation.key(own.names()).arg(entry).arg(own.name.as_str());
    invocation.arg(format!("{}node:", own.prefix)).arg(EXPIRY).arg(SWEPT).arg(&*own.boot).arg(match replaces {
        Replaces::Own => "own",
        Replaces::Any => "any",
    });
    let (now, other, entries): (u64, String, _) = invocation.invoke_async(connection).await?;
    Ok(Beaten { now, other: Some(other).filter(|other| !other.is_empty()), entries })
}

/// Removes the entry of a node.
pub(super) async fn remove(own: &Own, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let mut invocation = LEAVE.key(own.key(&own.name));
    invocation.key(own.names()).arg(own.name.as_str()).arg(&*own.boot);
    invocation.invoke_async(connection).await
}
