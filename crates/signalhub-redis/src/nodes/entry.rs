//! What a node writes about itself, and what it reads of the others.

use serde::{Deserialize, Serialize};
use signalhub_connections::{Node, NodeAddress, NodeName};

use super::servers::ServerList;
use super::{PresentNode, VERSION};

/// The entry of a node. Unknown members are ignored, so that later versions may add some.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) v: u32,
    pub(super) boot: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    pub(super) formats: Vec<u32>,
    pub(super) hub: String,
    pub(super) started: u64,
    pub(super) redis: ServerList,
}

impl Entry {
    /// Reads the entry of a node; `None` if it cannot be read, or is of a later version that means something else.
    pub(super) fn read(name: &str, text: &str) -> Option<(Self, PresentNode)> {
        let entry: Self = serde_json::from_str(text).ok().filter(|entry: &Self| entry.v == VERSION)?;
        let address = match &entry.address {
            Some(address) => Some(NodeAddress::new(address).ok()?),
            None => None,
        };
        let node = PresentNode {
            node: Node { name: NodeName::new(name).ok()?, address },
            boot: entry.boot.clone(),
            hub: entry.hub.clone(),
            formats: entry.formats.clone(),
            started: entry.started,
        };
        Some((entry, node))
    }
}
