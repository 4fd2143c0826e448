//! The registration of a client with its hub.

use std::sync::Arc;

use super::client::Client;
use super::connected::{Confirmation, ConnectedClients};
use super::subscribed::Subscribed;

/// The registration of a client. Dropping it removes everything that the hub holds of the client, however its session ends.
pub(crate) struct Membership {
    connected: Arc<ConnectedClients>,
    client: Arc<Client>,
}

impl Membership {
    /// Registers a client, and gives what confirms in a cluster that other servers reach it; nothing in a hub that is alone.
    pub(crate) fn new(connected: Arc<ConnectedClients>, client: Arc<Client>) -> (Self, Vec<Confirmation>) {
        let confirmations = connected.insert(&client);
        (Self { connected, client }, confirmations)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.connected.remove(self.client.id());
        self.connected.disconnect(&self.client);
        self.client.ended().raise();
        // The index of the broker refers to the client, and the client to its subscriptions: this breaks the cycle.
        *self.client.subscriptions() = Subscribed::Nothing;
    }
}
