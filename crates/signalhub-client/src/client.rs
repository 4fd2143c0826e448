//! The client: calls methods of the hub, and takes the calls that the hub makes.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use signalhub_protocol::{BindError, Close, EncodeError, HubMessage, Invocation, Protocol};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::connect::{self, Connected};
use crate::connection::{self, Answer, Command, Disconnected};
use crate::{ConnectError, ServerInvocation};

/// How many calls may wait to be written.
const COMMANDS: usize = 64;

/// How many calls from the hub may wait for the application. At this limit reading stops until the application takes one.
pub(crate) const INVOCATIONS: usize = 1024;

/// A connection to a hub.
///
/// Its methods take `&self`, so that one task can call the hub while another handles calls from the hub. Dropping it closes
/// the connection.
#[derive(Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    invocations: Mutex<mpsc::Receiver<ServerInvocation>>,
    ended: watch::Receiver<Option<Disconnected>>,
    next_id: AtomicU64,
}

impl Client {
    /// Connects to the hub at an `http://`, `https://`, `ws://` or `wss://` URL; the token goes into the `Authorization`
    /// header. [`ConnectOptions`](crate::ConnectOptions) has further options.
    ///
    /// # Errors
    /// When the hub cannot be reached, cannot be trusted, or refuses this client: see [`ConnectError`].
    pub async fn connect(url: &str, token: Option<&str>) -> Result<Self, ConnectError> {
        Ok(Self::over(connect::connect(url, token, None).await?))
    }

    pub(crate) fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(connected: Connected<S>) -> Self {
        let (commands, queued) = mpsc::channel(COMMANDS);
        let (received, invocations) = mpsc::channel(INVOCATIONS);
        let (end, ended) = watch::channel(None);
        tokio::spawn(connection::run(connected, queued, received, end));
        Self { commands, invocations: Mutex::new(invocations), ended, next_id: AtomicU64::new(1) }
    }

    /// Calls a method of the hub with a tuple of arguments and waits for its result; `()` takes the result of a method
    /// without one.
    ///
    /// When 1024 calls from the hub wait for [`Self::next_invocation`], nothing more is read until one is taken. Results are
    /// not read either.
    ///
    /// # Errors
    /// When the hub refuses the call, the result is of another type, or the connection ends.
    pub async fn invoke<T: DeserializeOwned>(&self, target: &str, arguments: impl Serialize) -> Result<T, InvokeError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed).to_string();
        let record = invocation(target, Some(&id), &arguments)?;
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Invoke { id, record, answer }).await.is_err() {
            return Err(self.disconnected().await.into());
        }
        match answered.await {
            Ok(Answer::Result(result)) => Ok(Protocol::Json.value(result.as_bytes()).bind()?),
            Ok(Answer::Error(error)) => Err(InvokeError::Hub(error)),
            Err(_) => Err(self.disconnected().await.into()),
        }
    }

    /// Calls a method of the hub with a tuple of arguments, without waiting for an answer.
    ///
    /// # Errors
    /// When the connection has ended. Success only means that the call is queued to be written.
    pub async fn send(&self, target: &str, arguments: impl Serialize) -> Result<(), SendError> {
        let record = invocation(target, None, &arguments)?;
        match self.commands.send(Command::Send(record)).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.disconnected().await.into()),
        }
    }

    /// Waits for the next call from the hub.
    ///
    /// # Errors
    /// When the connection has ended and all calls received before have been taken.
    pub async fn next_invocation(&self) -> Result<ServerInvocation, Disconnected> {
        match self.invocations.lock().await.recv().await {
            Some(invocation) => Ok(invocation),
            None => Err(self.disconnected().await),
        }
    }

    /// Sends a Close message and waits until the connection has ended. Pending calls fail.
    pub async fn close(&self) {
        let mut close_message = Vec::new();
        Protocol::Json.encode(&HubMessage::Close(Close::default()), &mut close_message);
        // A connection that has already ended needs no Close message.
        let _ = self.commands.send(Command::Close(close_message)).await;
        self.disconnected().await;
    }

    /// Waits until the connection has ended and returns the reason.
    pub async fn disconnected(&self) -> Disconnected {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await;
        end.ok().and_then(|end| end.clone()).unwrap_or(Disconnected::Closed)
    }
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// The hub answered with this error.
    #[error("{0}")]
    Hub(String),
    /// The result cannot be converted to the expected type.
    #[error("the result cannot be read: {0}")]
    Result(#[from] BindError),
    /// The arguments cannot be serialized.
    #[error("the arguments cannot be sent: {0}")]
    Arguments(#[from] EncodeError),
    /// The connection ended before the result arrived.
    #[error(transparent)]
    Disconnected(#[from] Disconnected),
}

/// Why a call was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The arguments cannot be serialized.
    #[error("the arguments cannot be sent: {0}")]
    Arguments(#[from] EncodeError),
    /// The connection has ended.
    #[error(transparent)]
    Disconnected(#[from] Disconnected),
}

fn invocation(target: &str, id: Option<&str>, arguments: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    let mut encoded = Vec::new();
    Protocol::Json.encode_arguments(arguments, &mut encoded)?;
    let mut invocation = Invocation::new(target, Protocol::Json.arguments(&encoded));
    invocation.invocation_id = id.map(Into::into);
    let mut record = Vec::new();
    Protocol::Json.encode(&HubMessage::Invocation(invocation), &mut record);
    Ok(record)
}

#[cfg(test)]
mod tests;
