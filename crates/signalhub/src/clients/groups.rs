//! Joining and leaving groups.

use std::sync::Arc;

use signalhub_connections::ConnectionId;

use super::connected::ConnectedClients;
use super::errors::GroupError;

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

    /// Adds a client to a group. When this returns, sends to the group reach the client.
    ///
    /// # Errors
    /// None today: see [`GroupError`].
    pub async fn add(&self, id: &ConnectionId, group: &str) -> Result<(), GroupError> {
        self.0.join(id, group);
        Ok(())
    }

    /// Removes a client from a group. When this returns, sends to the group no longer reach the client.
    ///
    /// # Errors
    /// None today: see [`GroupError`].
    pub async fn remove(&self, id: &ConnectionId, group: &str) -> Result<(), GroupError> {
        self.0.leave(id, group);
        Ok(())
    }
}
