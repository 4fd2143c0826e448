//! Being one of the hub's clients.

use std::sync::Arc;

use crate::clients::client::Client;
use crate::state::HubCore;

/// A client's place in the hub. However its session ends, dropping this leaves nothing of it behind.
pub(crate) struct Membership {
    core: Arc<HubCore>,
    client: Arc<Client>,
}

impl Membership {
    pub(crate) fn new(core: Arc<HubCore>, client: Arc<Client>) -> Self {
        core.lifetime.insert(&client);
        Self { core, client }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.core.lifetime.remove(self.client.id());
        self.core.results.disconnect(&self.client);
        self.client.ended().raise();
        // The broker's index holds the client, which holds its subscriptions: the circle is cut here.
        *self.client.subscriptions() = None;
    }
}
