//! Joining and leaving groups.

use std::sync::Arc;

use signalhub_connections::ConnectionId;

use super::connected::{Changed, ConnectedClients, Member};
use super::errors::GroupError;
use crate::backplane::{GroupAction, Unreachable};

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
    /// The client may be connected to another server of the cluster. Then this waits until that server has added it, for at most
    /// [`HubOptions::group_command_timeout`](crate::HubOptions::group_command_timeout).
    ///
    /// # Errors
    /// Only in a hub with a [backplane](crate::HubBuilder::backplane); the client is not added then. See [`GroupError`].
    pub async fn add(&self, id: &ConnectionId, group: &str) -> Result<(), GroupError> {
        match self.0.join(id, group) {
            Changed::Done => Ok(()),
            changed => Box::pin(self.finish(changed, GroupAction::Add, id, group)).await,
        }
    }

    /// Removes a client from a group. When this returns, sends to the group no longer reach the client.
    ///
    /// # Errors
    /// As [`add`](Self::add). A client of this server is removed in any case.
    pub async fn remove(&self, id: &ConnectionId, group: &str) -> Result<(), GroupError> {
        match self.0.leave(id, group) {
            // Other members are sent to, or no server needs to know: the client gets nothing more.
            Changed::Done | Changed::Confirming { .. } => Ok(()),
            changed @ Changed::Elsewhere(_) => Box::pin(self.finish(changed, GroupAction::Remove, id, group)).await,
        }
    }

    async fn finish(
        &self,
        changed: Changed,
        action: GroupAction,
        id: &ConnectionId,
        group: &str,
    ) -> Result<(), GroupError> {
        match changed {
            Changed::Done => Ok(()),
            Changed::Confirming { confirmation, was } => confirmation.await.map_err(|Unreachable| {
                if was == Member::No {
                    let _ = self.0.leave(id, group);
                }
                GroupError::Unreachable
            }),
            Changed::Elsewhere(remote) => remote.change_group(action, id.clone(), group.into()).await,
        }
    }
}
