//! Being one of the hub's clients.

use std::sync::Arc;

use super::client::Client;
use super::connected::ConnectedClients;

/// A client's place in the hub. However its session ends, dropping this leaves nothing of it behind.
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
        // The broker's index holds the client, which holds its subscriptions: the circle is cut here.
        *self.client.subscriptions() = None;
    }
}
