//! Writing, reading and removing the entries of nodes at one server. No node touches the entry of another one that has the same name.
//!
//! Anyone who may write to Redis can add entries that no node has made. What is no entry is removed from the set of names, so that it takes
//! no place of a node.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};

use signalhub_connections::NodeName;

use super::{EXPIRY, SWEPT};

/// How many nodes are read at most.
pub(super) const MOST: usize = 1_000;

/// How long an entry may be, in bytes.
const LONGEST: usize = 16_384;

/// The functions `other(entry, boot)`, whether an entry is that of another start than this one, and `entries(names, prefix, now, age, most,
/// longest)`, which returns the entries of the nodes that have written theirs last, each behind its name. It removes names that are older
/// than `age`, newer than that in the future, or have no entry.
pub(super) const FUNCTIONS: &str = "local function read(text)
    local is_read, entry = pcall(cjson.decode, text)
    return is_read and type(entry) == 'table' and type(entry.boot) == 'string' and entry
end
local function other(text, boot)
    local entry = read(text)
    return entry and entry.boot ~= boot
end
local function entries(names, prefix, now, age, most, longest)
    redis.call('zremrangebyscore', names, '-inf', '(' .. (now - age))
    redis.call('zremrangebyscore', names, '(' .. (now + age), '+inf')
    local found = {}
    for _, name in ipairs(redis.call('zrevrange', names, 0, most - 1)) do
        local key = prefix .. name
        local length = redis.pcall('strlen', key)
        local text = type(length) == 'number' and length <= tonumber(longest) and redis.call('get', key)
        if text and read(text) then
            found[#found + 1] = name
            found[#found + 1] = text
        else
            redis.call('zrem', names, name)
        end
    end
    return found
end
";

/// Writes an entry and reads all of them. Its times are those of Redis, so that a node with a wrong clock removes no other.
/// `KEYS`: the entry, the set of names. `ARGV`: the prefix of entries, the age at which names are removed, the most nodes and the most bytes
/// of an entry; the entry, the name, the expiry, the random text of this start, `own` or `any` for the entries that may be replaced. Returns
/// the time, the entry of another node that has the name or an empty text, and all entries.
static BEAT: LazyLock<Script> = LazyLock::new(|| {
    let script = "local now = tonumber(redis.call('time')[1])
        local found = redis.pcall('get', KEYS[1])
        local taken = ''
        if ARGV[9] == 'own' and other(found, ARGV[8]) then
            taken = found
        else
            redis.call('set', KEYS[1], ARGV[5], 'EX', ARGV[7])
            redis.call('zadd', KEYS[2], now, ARGV[6])
        end
        return {now, taken, entries(KEYS[2], ARGV[1], now, tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])}";
    Script::new(&[FUNCTIONS, script].concat())
});

/// Reads all entries. `KEYS`: the set of names. `ARGV`: the first ones of [`BEAT`].
static READ: LazyLock<Script> = LazyLock::new(|| {
    let script = "local now = tonumber(redis.call('time')[1])
        return entries(KEYS[1], ARGV[1], now, tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])";
    Script::new(&[FUNCTIONS, script].concat())
});

/// `KEYS`: the entry, the set of names. `ARGV`: the name, the random text of this start.
static LEAVE: LazyLock<Script> = LazyLock::new(|| {
    let script = "if other(redis.pcall('get', KEYS[1]), ARGV[2]) then return end
        redis.call('del', KEYS[1])
        redis.call('zrem', KEYS[2], ARGV[1])";
    Script::new(&[FUNCTIONS, script].concat())
});

/// What tells a node and its entry apart.
#[derive(Debug)]
pub(super) struct Keys {
    /// What all keys of the cluster begin with.
    pub(super) prefix: Box<str>,
    pub(super) name: NodeName,
    /// The random text of this start.
    pub(super) boot: Box<str>,
}

impl Keys {
    /// The key of the entry of a node.
    pub(super) fn entry(&self, name: &NodeName) -> String {
        format!("{}{name}", self.entries())
    }

    /// What the keys of entries begin with.
    fn entries(&self) -> String {
        format!("{}node:", self.prefix)
    }

    /// The key of the set of names.
    pub(super) fn names(&self) -> String {
        format!("{}nodes", self.prefix)
    }
}

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
    pub(super) entries: Entries,
}

/// Entries of nodes, each with its name.
pub(super) type Entries = Vec<(String, String)>;

/// As Redis has them: others may write what is no text.
type RawEntries = Vec<(Vec<u8>, Vec<u8>)>;

fn texts(entries: RawEntries) -> Entries {
    let text = |bytes| String::from_utf8(bytes).ok();
    entries.into_iter().filter_map(|(name, entry)| text(name).zip(text(entry))).collect()
}

/// Writes the entry of a node, and reads all entries.
pub(super) async fn write(
    keys: &Keys,
    entry: &str,
    replaces: Replaces,
    connection: &mut MultiplexedConnection,
) -> Result<Beaten, RedisError> {
    let mut invocation = BEAT.key(keys.entry(&keys.name));
    invocation.key(keys.names()).arg(keys.entries()).arg(SWEPT).arg(MOST).arg(LONGEST);
    invocation.arg(entry).arg(keys.name.as_str()).arg(EXPIRY).arg(&*keys.boot).arg(match replaces {
        Replaces::Own => "own",
        Replaces::Any => "any",
    });
    let (now, other, entries): (u64, Vec<u8>, RawEntries) = invocation.invoke_async(connection).await?;
    let other = String::from_utf8_lossy(&other).into_owned();
    Ok(Beaten { now, other: Some(other).filter(|other| !other.is_empty()), entries: texts(entries) })
}

/// Reads all entries.
pub(super) async fn read(keys: &Keys, connection: &mut MultiplexedConnection) -> Result<Entries, RedisError> {
    let mut invocation = READ.key(keys.names());
    invocation.arg(keys.entries()).arg(SWEPT).arg(MOST).arg(LONGEST);
    invocation.invoke_async(connection).await.map(texts)
}

/// Removes the entry of a node.
pub(super) async fn remove(keys: &Keys, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let mut invocation = LEAVE.key(keys.entry(&keys.name));
    invocation.key(keys.names()).arg(keys.name.as_str()).arg(&*keys.boot);
    invocation.invoke_async(connection).await
}
