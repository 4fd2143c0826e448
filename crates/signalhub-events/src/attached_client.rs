//! Which clients are attached to a broker, with what they may see and what they have asked for.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::yield_now;

use crate::filter::Filter;
use crate::scope::Scope;
use crate::shards::Shards;
use crate::subscriber::{AttachedSubscriber, ClientName};

/// How many subscribers are looked at while an index is locked, and before the task yields.
const CHUNK: usize = 1_024;

/// A subscriber with a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachedClient {
    /// Who the client is. A client may have several subscribers.
    pub client: ClientName,
    /// What the subscriber may see.
    pub scope: Scope,
    /// Its filters, in no order.
    pub filters: Vec<Filter>,
}

/// Finds the subscribers whose clients are wanted, at most `most`. It looks at all subscribers, a few at a time, so that publishers do not
/// wait for it. Subscribers without subscriptions are not found.
pub(crate) async fn find(shards: &Shards, most: usize, wanted: impl Fn(&ClientName) -> bool) -> Vec<AttachedClient> {
    let mut found: Vec<AttachedClient> = Vec::new();
    // A subscriber is in the index of each shard that it has subscriptions in.
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut kept: Vec<Arc<AttachedSubscriber>> = Vec::new();
    for shard in 0..shards.count() {
        let mut from = 0;
        loop {
            let chunk = shards.lock(shard).subscribers(from, CHUNK);
            let Some(chunk) = chunk else { break };
            from += CHUNK;
            for (id, attached) in chunk {
                // No foreign code runs while an index is locked.
                let Some(client) = attached.client().filter(|client| wanted(client)) else { continue };
                let Some((scope, filters)) = shards.lock(shard).describe(id, &attached) else { continue };
                let address = Arc::as_ptr(&attached).cast::<()>().addr();
                match places.get(&address) {
                    Some(place) => found[*place].filters.extend(filters),
                    None if found.len() < most => {
                        places.insert(address, found.len());
                        // As long as it is kept, no other subscriber gets its address.
                        kept.push(attached);
                        found.push(AttachedClient { client, scope, filters });
                    }
                    None => {}
                }
            }
            yield_now().await;
        }
    }
    found
}

#[cfg(test)]
mod tests;
