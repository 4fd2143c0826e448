//! What a publisher is answered.

use serde::{Deserialize, Serialize};

/// Tells what became of a notification: the answer of the publish API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Identifies the published event.
    pub id: String,
    /// Places it among the events of its name: `<epoch>:<offset>`.
    pub position: String,
    /// Counts the subscribers of the receiving node that it went to.
    pub matched: u64,
    /// Tells whether it had been published before, so that this is the receipt of the first time.
    #[serde(default)]
    pub duplicate: bool,
}
