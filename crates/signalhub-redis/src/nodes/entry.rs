//! What a node writes about itself, and what it reads of the others.

use serde::{Deserialize, Serialize};
use signalhub_connections::{Node, NodeAddress, NodeName};

use super::{PresentNode, VERSION};
use crate::dataset::DatasetId;

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

/// What identifies the data of each Redis server in the list of a node, in its order. `null` stands for a server that it is not connected
/// to now. Nodes may reach one server at different addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerList(pub(super) Vec<Option<DatasetId>>);

impl ServerList {
    /// Tells whether two lists may be of the same servers in the same order, as far as both nodes are connected to them.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let is_same =
            |(one, other): (&Option<DatasetId>, &Option<DatasetId>)| one.zip(*other).is_none_or(|(a, b)| a == b);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }

    /// The places of two entries that are one server.
    pub(super) fn repeated(&self) -> Option<(usize, usize)> {
        let places = self.0.iter().enumerate();
        places.filter(|(_, id)| id.is_some()).find_map(|(place, id)| {
            let earlier = self.0[..place].iter().position(|earlier| earlier == id)?;
            Some((earlier, place))
        })
    }
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
