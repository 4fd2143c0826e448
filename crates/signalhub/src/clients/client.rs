//! The connected clients of a hub.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use signalhub_connections::{ConnectionEnded, ConnectionId, Frame, Identity, MessageKind, Outbound};
use signalhub_protocol::{HubMessage, Protocol, TransferFormat};

use super::items::Items;
use super::result_id::ResultId;
use super::subscribed::Subscribed;
use crate::flag::Flag;
use crate::request::Request;

/// A connected client, as all tasks but that of its session see it.
pub(crate) struct Client {
    id: ConnectionId,
    /// User and organisation stay; the rest changes with new credentials.
    identity: RwLock<Arc<Identity>>,
    protocol: Protocol,
    outbound: Outbound,
    /// In a hub that keeps requests.
    request: Option<Request>,
    /// Used by the client's own session, which never holds it for long, and by operators that look at it.
    subscriptions: Mutex<Subscribed>,
    /// The calls of the server that it has not answered yet.
    asked: Mutex<BTreeSet<ResultId>>,
    items: Mutex<Items>,
    ended: Flag,
}

impl Client {
    pub(crate) fn new(
        id: ConnectionId,
        identity: Arc<Identity>,
        protocol: Protocol,
        outbound: Outbound,
        request: Option<Request>,
    ) -> Self {
        Self {
            id,
            identity: RwLock::new(identity),
            protocol,
            outbound,
            request,
            subscriptions: Mutex::default(),
            asked: Mutex::default(),
            items: Mutex::default(),
            ended: Flag::default(),
        }
    }

    pub(crate) fn id(&self) -> &ConnectionId {
        &self.id
    }

    pub(crate) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the credentials; running calls keep those that they started with.
    pub(crate) fn renew(&self, identity: Arc<Identity>) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(crate) fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    pub(crate) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    pub(crate) fn subscriptions(&self) -> MutexGuard<'_, Subscribed> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn asked(&self) -> MutexGuard<'_, BTreeSet<ResultId>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raised when the connection ends.
    pub(crate) fn ended(&self) -> &Flag {
        &self.ended
    }

    /// Sends a message, or drops it if the connection has ended.
    pub(crate) fn send(&self, message: &HubMessage<'_>) {
        let _ = self.try_send(message);
    }

    pub(crate) fn try_send(&self, message: &HubMessage<'_>) -> Result<(), ConnectionEnded> {
        self.outbound.send(&frame(self.protocol, message))
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
