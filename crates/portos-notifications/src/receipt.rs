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
    /// The number of subscribers on the receiving node that matched it; 0 for a duplicate.
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
