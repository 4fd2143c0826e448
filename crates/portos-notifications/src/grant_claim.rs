//! What a token grants.

use serde::{Deserialize, Serialize};

/// The claim of a token that holds a list of [`GrantClaim`]s.
pub const GRANTS_CLAIM: &str = "grants";

/// Holds one element of the `grants` claim of a token, such as `{"e":"portos.*","r":"tickets","a":["created"]}`; reading one refuses
/// members it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantClaim {
    /// The event name, which may end in `*`.
    #[serde(rename = "e")]
    pub event: String,
    /// The name of the resource, which may end in `*`; `None` is any resource.
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The words of the actions; `None` is any action, and an empty list is no action.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
}
