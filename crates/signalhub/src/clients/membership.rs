//! The registration of a client with its hub.

use std::sync::Arc;

use super::client::Client;
use super::connected::ConnectedClients;
use super::subscribed::Subscribed;

/// The registration of a client. Dropping it removes everything that the hub holds of the client, however its session ends.
pub(crate) struct Membership {
    connected: Arc<ConnectedClients>,
    client: Arc<Client>,
}

impl Membership {
    pub(crate) fn new(connected: Arc<ConnectedClients>, client: Arc<Client>) -> Self {
        connected.insert(&client);
        Self { connected, client }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.connected.remove(self.client.id());
        self.connected.results().disconnect(&self.client);
        self.client.ended().raise();
        // The index of the broker refers to the client, and the client to its subscriptions: this breaks the cycle.
        *self.client.subscriptions() = Subscribed::Nothing;
    }
}
