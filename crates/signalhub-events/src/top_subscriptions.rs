//! What is subscribed to most.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::task::yield_now;

use crate::name::{EventName, ResourceName};
use crate::shards::Shards;

/// How many buckets are looked at while an index is locked, and how many counts before the task yields.
const CHUNK: usize = 4_096;

/// What subscriptions are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountedBy {
    /// The name of their event.
    Event,
    /// The name of their event and their resource. Those for any resource are counted together.
    Resource,
}

/// How many subscriptions there are to an event, or to a resource of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionCount {
    /// The name of the event.
    pub event: EventName,
    /// The resource; `None` is any, or all if they are counted by event.
    pub resource: Option<ResourceName>,
    /// The number of subscriptions.
    pub subscriptions: u64,
    /// How many deliveries they matched in about the last minute. A subscriber with several subscriptions that match is counted for one of
    /// them.
    pub matched_last_minute: u64,
}

type Names = (Arc<str>, Option<Arc<str>>);

#[derive(Default)]
struct Counts {
    subscriptions: u64,
    matched: f64,
}

/// Counts all subscriptions and returns the largest counts, at most `most`, the largest first. It looks at a few at a time, so that publishers do
/// not wait for it.
pub(crate) async fn count(shards: &Shards, by: CountedBy, most: usize, now: OffsetDateTime) -> Vec<SubscriptionCount> {
    let mut largest = BinaryHeap::new();
    for shard in 0..shards.count() {
        // All subscriptions to an event are in one shard.
        let mut groups: HashMap<Names, Counts> = HashMap::new();
        let mut from = 0;
        loop {
            let has_more =
                shards.lock(shard).each_bucket(from, CHUNK, now, |event, resource, subscriptions, matched| {
                    let resource = resource.filter(|_| by == CountedBy::Resource);
                    let counts = groups.entry((event, resource)).or_default();
                    counts.subscriptions += subscriptions;
                    counts.matched += matched;
                });
            if !has_more {
                break;
            }
            from += CHUNK;
            yield_now().await;
        }
        for (looked_at, ((event, resource), Counts { subscriptions, matched })) in groups.into_iter().enumerate() {
            // The order of the list: the largest first, and those that are as large by name.
            largest.push((Reverse(subscriptions), event, resource, matched.round() as u64));
            if largest.len() > most {
                largest.pop();
            }
            if looked_at % CHUNK == CHUNK - 1 {
                yield_now().await;
            }
        }
    }
    let largest = largest.into_sorted_vec().into_iter();
    largest
        .map(|(Reverse(subscriptions), event, resource, matched_last_minute)| SubscriptionCount {
            event: EventName::new(event),
            resource: resource.map(ResourceName::new),
            subscriptions,
            matched_last_minute,
        })
        .collect()
}

#[cfg(test)]
mod tests;
