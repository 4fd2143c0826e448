//! The client that calls a method, as the method sees it.

use std::any::Any;
use std::sync::Arc;

use signalhub_connections::{ConnectionId, Identity};

use crate::clients::client::Client;
use crate::flag::Flag;
use crate::request::Request;
use crate::state::HubState;

/// The client that calls.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Arc<Client>,
    /// The identity when the call began.
    identity: Arc<Identity>,
    state: Arc<HubState>,
}

impl Caller {
    pub(crate) fn new(client: Arc<Client>, state: Arc<HubState>) -> Self {
        let identity = client.identity();
        Self { client, identity, state }
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(crate) fn state(&self) -> &HubState {
        &self.state
    }

    /// The id of its connection.
    pub fn id(&self) -> &ConnectionId {
        self.client.id()
    }

    /// Its identity, from the credentials that it had when the call began.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The user, if known.
    pub fn user(&self) -> Option<&str> {
        self.identity.user.as_deref()
    }

    /// The request that opened its connection; `None` if the hub does not keep requests: see [`Request`].
    pub fn request(&self) -> Option<&Request> {
        self.client.request()
    }

    /// Ends its connection: the client gets a Close message without an error, and nothing after it.
    pub fn abort(&self) {
        self.client.outbound().abort();
    }

    /// Waits until its connection has ended.
    pub async fn aborted(&self) {
        self.client.ended().raised().await;
    }

    /// Whether its connection has ended.
    pub fn is_aborted(&self) -> bool {
        self.client.ended().is_raised()
    }

    /// Stores a value with the connection, at most one of each type, and returns the one it replaces.
    pub fn insert<T: Any + Send>(&self, item: T) -> Option<T> {
        self.client.items().insert(item)
    }

    /// Returns a clone of the value of this type that is stored with the connection.
    pub fn get<T: Any + Send + Clone>(&self) -> Option<T> {
        self.client.items().get().cloned()
    }

    /// Removes and returns the value of this type that is stored with the connection.
    pub fn remove<T: Any + Send>(&self) -> Option<T> {
        self.client.items().remove()
    }
}

/// Signals a method that its client no longer waits: the client cancelled the stream, or its connection ended.
///
/// A stream method without it is simply dropped when its stream is cancelled. One that takes it ends by itself, and its
/// items go on until it does.
#[derive(Clone, Debug)]
pub struct Cancellation {
    stream: Option<Arc<Flag>>,
    client: Arc<Client>,
}

impl Cancellation {
    pub(crate) fn new(stream: Option<Arc<Flag>>, client: Arc<Client>) -> Self {
        Self { stream, client }
    }

    /// Waits until the client no longer waits.
    pub async fn cancelled(&self) {
        match &self.stream {
            None => self.client.ended().raised().await,
            Some(stream) => {
                tokio::select! {
                    () = stream.raised() => {}
                    () = self.client.ended().raised() => {}
                }
            }
        }
    }

    /// Whether the client no longer waits.
    pub fn is_cancelled(&self) -> bool {
        self.client.ended().is_raised() || self.stream.as_ref().is_some_and(|stream| stream.is_raised())
    }
}
