//! The connected clients of a hub.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use signalhub_connections::{ConnectionId, Frame, Identity, MessageKind, Outbound};
use signalhub_events::Subscriptions;
use signalhub_protocol::{HubMessage, Protocol, TransferFormat};

use crate::hub::HubCore;

/// One connected client, as everyone but its own session sees it.
pub(crate) struct Client {
    id: ConnectionId,
    identity: Arc<Identity>,
    protocol: Protocol,
    outbound: Outbound,
    /// Used by the client's own calls alone, so the lock is never waited for.
    subscriptions: Mutex<Option<Subscriptions>>,
}

impl Client {
    pub(crate) fn new(id: ConnectionId, identity: Arc<Identity>, protocol: Protocol, outbound: Outbound) -> Self {
        Self { id, identity, protocol, outbound, subscriptions: Mutex::new(None) }
    }

    pub(crate) fn id(&self) -> &ConnectionId {
        &self.id
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    pub(crate) fn subscriptions(&self) -> MutexGuard<'_, Option<Subscriptions>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message; one that comes too late for the connection is dropped.
    pub(crate) fn send(&self, message: &HubMessage<'_>) {
        let _ = self.outbound.send(&frame(self.protocol, message));
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Encodes a message once, for all its receivers.
pub(crate) fn frame(protocol: Protocol, message: &HubMessage<'_>) -> Frame {
    Frame::build(message_kind(protocol), |out| protocol.encode(message, out))
}

pub(crate) fn message_kind(protocol: Protocol) -> MessageKind {
    match protocol.transfer_format() {
        TransferFormat::Text => MessageKind::Text,
        TransferFormat::Binary => MessageKind::Binary,
    }
}

/// All clients of a hub between handshake and end.
#[derive(Debug, Default)]
pub(crate) struct Lifetime {
    clients: RwLock<HashMap<ConnectionId, Arc<Client>>>,
}

impl Lifetime {
    fn insert(&self, client: &Arc<Client>) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        clients.insert(client.id().clone(), Arc::clone(client));
    }

    fn remove(&self, id: &ConnectionId) {
        self.clients.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn find(&self, id: &ConnectionId) -> Option<Arc<Client>> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

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
        // The broker's index holds the client, which holds its subscriptions: the circle is cut here.
        *self.client.subscriptions() = None;
    }
}
