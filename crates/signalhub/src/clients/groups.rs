//! Joining and leaving groups.

use std::sync::Arc;

use signalhub_connections::ConnectionId;

use super::connected::ConnectedClients;

/// Adds clients to groups of the hub, and removes them.
///
/// A group exists while it has members; its name is compared exactly, and may be empty. Membership ends with the
/// connection. Unknown connection ids are ignored. Names are kept while their groups exist, and have no limit here: a method
/// that takes one from a client bounds its length and number, as in the original.
#[derive(Clone, Debug)]
pub struct Groups(Arc<ConnectedClients>);

impl Groups {
    pub(crate) fn new(connected: Arc<ConnectedClients>) -> Self {
        Self(connected)
    }

    /// Adds a client to a group.
    pub fn add(&self, id: &ConnectionId, group: &str) {
        self.0.join(id, group);
    }

    /// Removes a client from a group.
    pub fn remove(&self, id: &ConnectionId, group: &str) {
        self.0.leave(id, group);
    }
}
