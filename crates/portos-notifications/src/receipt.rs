//! The answer to a publish.

use std::ops::Not;

use serde::{Deserialize, Serialize};

/// The result of a publish: the answer of the publish API. Members that are unknown here are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Identifies the published event.
    pub id: String,
    /// The position among the events of its name: `<epoch>:<offset>`.
    pub position: String,
    /// The number of subscribers that matched it, on the nodes that `scope` names; 0 for a duplicate.
    pub matched: u64,
    /// Whether it had been published before, with the same idempotency key. `id` and `position` are then those of the first publish,
    /// and no subscriber received it again.
    #[serde(default)]
    pub duplicate: bool,
    /// Whether it is on the disk of the hub and survives a power cut; false if the publish did not wait for that. Only written if true.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub durable: bool,
    /// How far it was delivered; `None` if the publish did not wait for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// Whose subscribers are counted; `None` if the hub is no cluster, so that it counts all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ReceiptScope>,
    /// How many nodes were asked; only if `scope` is the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<AnsweredNodes>,
    /// How many replicas of Redis have it, if the cluster waits for replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicated: Option<u64>,
}

/// Whose subscribers a receipt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReceiptScope {
    /// Those of the node that took the event.
    Node,
    /// Those of all nodes that have answered in time.
    Cluster,
}

/// How many nodes of a cluster have told how many of their subscribers an event matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AnsweredNodes {
    /// The nodes that have answered in time.
    pub answered: u64,
    /// The nodes that there were.
    pub expected: u64,
}

/// How far an event was delivered to the subscribers that matched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delivered {
    /// The connections to which it was written.
    pub written: u64,
    /// The connections that ended before it was written to them.
    pub ended: u64,
    /// The connections that had not taken it when the hub stopped waiting.
    pub waiting: u64,
}

#[cfg(test)]
mod tests;
