//! Sending to clients.

use std::sync::Arc;

use serde::Serialize;
use signalhub_connections::{ConnectionId, Frame};
use signalhub_protocol::{EncodeError, HubMessage, Invocation, Protocol};

use crate::HubError;
use crate::client::{Client, message_kind};
use crate::hub::HubCore;

/// How many clients get a message before other tasks have their turn.
const CHUNK: usize = 128;

/// Addresses the clients of a hub.
///
/// As a parameter of a hub method it knows the caller; [`Hub::clients`](crate::Hub::clients) gives one for all other
/// tasks.
#[derive(Clone, Debug)]
pub struct Clients {
    core: Arc<HubCore>,
    caller: Option<Arc<Client>>,
}

impl Clients {
    pub(crate) fn of_hub(core: Arc<HubCore>) -> Self {
        Self { core, caller: None }
    }

    pub(crate) fn of_caller(core: Arc<HubCore>, caller: Arc<Client>) -> Self {
        Self { core, caller: Some(caller) }
    }

    /// Every client.
    pub fn all(&self) -> Target {
        self.target(Receivers::All)
    }

    /// The client that calls; nobody outside a call.
    pub fn caller(&self) -> Target {
        self.target(match &self.caller {
            Some(caller) => Receivers::Caller(Arc::clone(caller)),
            None => Receivers::Nobody,
        })
    }

    /// The client with this connection id; an unknown id is nobody.
    pub fn client(&self, id: &ConnectionId) -> Target {
        self.target(Receivers::Client(id.clone()))
    }

    fn target(&self, receivers: Receivers) -> Target {
        Target { core: Arc::clone(&self.core), receivers }
    }
}

/// Some clients, to be sent to.
#[derive(Debug)]
pub struct Target {
    core: Arc<HubCore>,
    receivers: Receivers,
}

#[derive(Debug)]
enum Receivers {
    All,
    Caller(Arc<Client>),
    Client(ConnectionId),
    Nobody,
}

impl Target {
    /// Calls a method of these clients, without waiting for them.
    ///
    /// The arguments are a tuple with one element each: `send("Renamed", (id, name))`, `send("Ready", ())`. They are
    /// encoded once for all receivers.
    ///
    /// # Errors
    /// When the arguments cannot be serialised.
    pub async fn send<T: Serialize>(&self, method: &str, arguments: T) -> Result<(), SendError> {
        let frame = encode(Protocol::Json, method, &arguments)?;
        match &self.receivers {
            Receivers::All => {
                for (index, client) in self.core.lifetime.all().iter().enumerate() {
                    // A connection that has ended meanwhile gets nothing.
                    let _ = client.outbound().send(&frame);
                    if index % CHUNK == CHUNK - 1 {
                        tokio::task::yield_now().await;
                    }
                }
            }
            Receivers::Caller(client) => drop(client.outbound().send(&frame)),
            Receivers::Client(id) => {
                if let Some(client) = self.core.lifetime.find(id) {
                    let _ = client.outbound().send(&frame);
                }
            }
            Receivers::Nobody => {}
        }
        Ok(())
    }
}

/// Arguments could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("the arguments of '{method}' cannot be serialised")]
#[non_exhaustive]
pub struct SendError {
    /// The method of the clients.
    pub method: String,
    source: EncodeError,
}

impl From<SendError> for HubError {
    fn from(error: SendError) -> Self {
        Self::internal("SerializationException", &error.source)
    }
}

fn encode<T: Serialize>(protocol: Protocol, method: &str, arguments: &T) -> Result<Frame, SendError> {
    let mut encoded = Vec::new();
    protocol
        .encode_arguments(arguments, &mut encoded)
        .map_err(|source| SendError { method: method.to_owned(), source })?;
    let invocation = HubMessage::Invocation(Invocation::new(method, protocol.arguments(&encoded)));
    Ok(Frame::build(message_kind(protocol), |out| {
        protocol.encode(&invocation, out);
    }))
}
