//! One client, which can be asked for results, too.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use signalhub_connections::{BoxFuture, ConnectionId};

use super::{CalledFrom, READERS_WAIT, copies, encode};
use crate::backplane::{Channel, Envelope, InvocationEnvelope, Unreachable};
use crate::clients::client::Client;
use crate::clients::connected::ConnectedClients;
use crate::clients::errors::{InvokeError, SendError};
use crate::clients::remote::Remote;

/// One client that messages can be sent to and that can be asked for results.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send` or `invoke`"]
pub struct SingleTarget {
    connected: Arc<ConnectedClients>,
    receiver: Receiver,
    called_from: CalledFrom,
}

#[derive(Clone, Debug)]
pub(super) enum Receiver {
    /// `None` outside a call.
    Caller(Option<Arc<Client>>),
    Id(ConnectionId),
}

impl SingleTarget {
    pub(super) fn new(connected: Arc<ConnectedClients>, receiver: Receiver, called_from: CalledFrom) -> Self {
        Self { connected, receiver, called_from }
    }

    /// Calls a method of the client; see [`Target::send`](super::Target::send). If it is connected to this server, no other server takes part.
    ///
    /// # Errors
    /// When the arguments cannot be serialised, or the method has no name; for a client of another server, when the backplane
    /// cannot be reached. Whether such a client exists is not known.
    pub async fn send<T: Serialize>(&self, method: &str, arguments: T) -> Result<(), SendError> {
        if let Some(client) = self.find() {
            let _ = client.outbound().send(&encode(client.protocol(), method, None, &arguments)?);
            client.outbound().wait_for_readers(READERS_WAIT).await;
        } else if let Some((remote, id)) = self.elsewhere() {
            let (remote, copies) = (Arc::clone(remote), copies(method, None, &arguments)?);
            let invocation = InvocationEnvelope { copies, ..InvocationEnvelope::default() };
            let channels = vec![Channel::Connection(id.clone())];
            let publishing = Box::pin(async move { remote.publish(channels, Envelope::Invocation(invocation)).await });
            publishing.await.map_err(|Unreachable| SendError::Unreachable)?;
        }
        Ok(())
    }

    /// Calls a method of the client and waits for its result.
    ///
    /// There is no time limit but the connection's end: wrap it in `tokio::time::timeout` for one. A client of another server of
    /// the cluster has [`HubOptions::remote_result_timeout`](crate::HubOptions::remote_result_timeout). Dropping the future
    /// cancels the wait; a later answer is ignored. While a hub method waits here, the next call of its client may run.
    ///
    /// # Errors
    /// When there is no such client, when it leaves or refuses, when its result is of another type, and inside
    /// `on_connected`, because the client's messages are not read yet.
    pub async fn invoke<R>(&self, method: &str, arguments: impl Serialize) -> Result<R, InvokeError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        if let CalledFrom::OnConnected = self.called_from {
            return Err(InvokeError::Connecting);
        }
        let Some(client) = self.find() else {
            if let Some((remote, id)) = self.elsewhere() {
                return self.ask_elsewhere(remote, id, method, &arguments)?.await;
            }
            return Err(InvokeError::Unknown(match &self.receiver {
                Receiver::Caller(_) => ConnectionId::new(""),
                Receiver::Id(id) => id.clone(),
            }));
        };
        let wait = self.connected.results().wait::<R>(&client);
        let frame = encode(client.protocol(), method, Some(wait.id().to_string()), &arguments)?;
        if client.outbound().send(&frame).is_err() {
            return Err(InvokeError::Disconnected(client.id().clone()));
        }
        if let CalledFrom::Method(Some(slot)) = &self.called_from {
            slot.release();
        }
        wait.answer().await
    }

    /// Asks a client of another server.
    fn ask_elsewhere<R>(
        &self,
        remote: &Arc<Remote>,
        id: &ConnectionId,
        method: &str,
        arguments: &impl Serialize,
    ) -> Result<BoxFuture<Result<R, InvokeError>>, SendError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let question = remote.new_question();
        let copies = copies(method, Some(question.id.as_str()), arguments)?;
        let (remote, id, called_from) = (Arc::clone(remote), id.clone(), self.called_from.clone());
        Ok(Box::pin(async move {
            let wait = remote.answers().wait::<R>(&id, question.id.clone());
            let invocation = InvocationEnvelope { copies, question: Some(question), ..InvocationEnvelope::default() };
            let channels = vec![Channel::Connection(id.clone())];
            let receivers = remote.publish(channels, Envelope::Invocation(invocation)).await;
            if receivers.map_err(|Unreachable| InvokeError::Unreachable)? == 0 {
                return Err(InvokeError::Unknown(id));
            }
            if let CalledFrom::Method(Some(slot)) = &called_from {
                slot.release();
            }
            let answer = tokio::time::timeout(remote.limits().result, wait.answer()).await;
            answer.unwrap_or(Err(InvokeError::TimedOut(id)))
        }))
    }

    /// The other servers, and the id of a client that may be connected to one of them.
    fn elsewhere(&self) -> Option<(&Arc<Remote>, &ConnectionId)> {
        match &self.receiver {
            Receiver::Caller(_) => None,
            Receiver::Id(id) => Some((self.connected.remote()?, id)),
        }
    }

    fn find(&self) -> Option<Arc<Client>> {
        match &self.receiver {
            Receiver::Caller(client) => client.clone(),
            Receiver::Id(id) => self.connected.find(id),
        }
    }
}
