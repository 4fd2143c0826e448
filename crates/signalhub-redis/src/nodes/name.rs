//! Taking the name of a node, which an earlier node may have had.

use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use tokio::net::TcpStream;

use super::beat::FUNCTIONS;
use super::entry::Entry;
use super::own::Own;
use super::{EXPIRY, JoinError, connection};

/// A node whose entry has less time left than this, in milliseconds, has missed a time to write it.
const OVERDUE: i64 = 5_000;

/// How long a node may take to accept a connection before another one of its name takes it for one that may still run.
const PROBE: Duration = Duration::from_secs(1);

/// Writes an entry, unless there is one that must not be replaced. `KEYS`: the entry. `ARGV`: the entry, the expiry, the random text of this
/// start, the entry that may be replaced, the most milliseconds that this one may have left. Returns the entry that is there and its time, or
/// nothing if it was written. What is no entry, or was written by an earlier attempt of this start, is replaced.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    let script = "local earlier = redis.pcall('get', KEYS[1])
        if other(earlier, ARGV[3]) then
            local left = redis.call('pttl', KEYS[1])
            if earlier ~= ARGV[4] or left > tonumber(ARGV[5]) then return {earlier, left} end
        end
        redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[2])
        return false";
    Script::new(&[FUNCTIONS, script].concat())
});

/// Writes the entry unless a node of this name has one that may still run. Waits for as long as the entry of a node that was killed
/// lasts.
pub(super) async fn take(own: &Own) -> Result<(), JoinError> {
    let instance = &own.instances.all()[0];
    let failed = |error| JoinError::Redis { address: instance.address().to_string(), error };
    let (entry, mut replaced) = (own.entry().unwrap_or_default(), Vec::new());
    for second in 0..=EXPIRY {
        let mut invocation = TAKE.key(own.keys.entry(&own.keys.name));
        invocation.arg(&entry).arg(EXPIRY).arg(&*own.keys.boot).arg(&replaced).arg(OVERDUE);
        let earlier = invocation.invoke_async(&mut connection(instance)?).await.map_err(failed)?;
        let Some((earlier, left)): Option<(Vec<u8>, i64)> = earlier else {
            if !replaced.is_empty() {
                tracing::info!(node = %own.keys.name, "an earlier node of this name has ended: this one takes its place");
            }
            return Ok(());
        };
        if second == 0 {
            tracing::info!(node = %own.keys.name, "waiting for the end of an earlier node of this name");
        }
        if left <= OVERDUE && replaced.is_empty() && is_gone(own, &earlier).await {
            replaced = earlier;
            continue;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Err(JoinError::NameTaken(own.keys.name.clone()))
}

/// Tells whether the node of an entry accepts no requests any more: nothing listens at its address, or this node does.
async fn is_gone(own: &Own, entry: &[u8]) -> bool {
    let entry = std::str::from_utf8(entry).ok().and_then(|entry| Entry::read(own.keys.name.as_str(), entry));
    let address = entry.and_then(|(_, node)| node.node.address);
    let Some(address) = address else { return false };
    if own.presence.get().is_some_and(|(presence, _)| presence.address.as_ref() == Some(&address)) {
        return true;
    }
    let connected = tokio::time::timeout(PROBE, TcpStream::connect(address.as_str())).await;
    matches!(connected, Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused)
}
