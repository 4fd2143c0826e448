//! The answer to a publish.

use serde::{Deserialize, Serialize};

/// The result of a publish: the answer of the publish API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Identifies the published event.
    pub id: String,
    /// The position among the events of its name: `<epoch>:<offset>`.
    pub position: String,
    /// The number of subscribers on the receiving node that matched it.
    pub matched: u64,
    /// Whether it had been published before. This is then the receipt of the first publish.
    #[serde(default)]
    pub duplicate: bool,
}
