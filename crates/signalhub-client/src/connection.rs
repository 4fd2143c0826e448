//! The task of a connection: reads, writes, sends pings, and detects a hub that has gone silent.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signalhub_protocol::{Completion, HubMessage, Invocation, Outcome, Protocol};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::ServerInvocation;
use crate::connect::Connected;

/// How often the client sends a ping (the official clients' keepAliveIntervalInMilliseconds).
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// How long the hub may send nothing (the official clients' serverTimeoutInMilliseconds).
const SERVER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the peer may take to answer the WebSocket close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the application asks the task to do.
#[derive(Debug)]
pub(crate) enum Command {
    Invoke { id: String, record: Vec<u8>, answer: oneshot::Sender<Answer> },
    Send(Vec<u8>),
    Close(Vec<u8>),
}

/// How a call of the application ended.
#[derive(Debug)]
pub(crate) enum Answer {
    Result(String),
    Error(String),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnected {
    /// This side closed it.
    #[error("the connection was closed")]
    Closed,
    /// The hub closed it with a Close message (HubProtocol, Close).
    #[error("the hub closed the connection{}", .error.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    ByServer {
        /// The error, if there was one.
        error: Option<String>,
        /// Whether the hub allows clients to reconnect.
        allow_reconnect: bool,
    },
    /// The hub sent nothing for too long.
    #[error("the hub was silent for {} s", SERVER_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection broke without a Close message.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The hub sent bytes that are not valid in the hub protocol.
    #[error("the hub sent what cannot be read: {0}")]
    Protocol(String),
}

/// Runs a connection to its end.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin + Send>(
    connected: Connected<S>,
    commands: mpsc::Receiver<Command>,
    invocations: mpsc::Sender<ServerInvocation>,
    end: watch::Sender<Option<Disconnected>>,
) {
    let Connected { socket, rest } = connected;
    let mut connection =
        Connection { socket, input: rest, invocations, pending: HashMap::new(), last_received: Instant::now() };
    let why = connection.live(commands).await;
    tracing::debug!(%why, "the connection ended");
    let Connection { mut socket, pending, invocations, .. } = connection;
    // A caller that finds its call or the queue closed asks for the reason, so the reason is stored before they are closed.
    let closed_here = why == Disconnected::Closed;
    if closed_here {
        end_socket(&mut socket).await;
    }
    end.send_replace(Some(why));
    drop((pending, invocations));
    if !closed_here {
        end_socket(&mut socket).await;
    }
}

/// Closes the WebSocket, and reads for a short time until the peer has closed it too.
async fn end_socket<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    let ending = async {
        if socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // A peer that does not answer in time only misses the orderly close.
    let _ = timeout(CLOSE_TIMEOUT, ending).await;
}

struct Connection<S> {
    socket: WebSocketStream<S>,
    /// Received bytes that are not decoded yet.
    input: Vec<u8>,
    invocations: mpsc::Sender<ServerInvocation>,
    /// Calls of the application that wait for their completion.
    pending: HashMap<String, oneshot::Sender<Answer>>,
    /// When bytes from the hub arrived last.
    last_received: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn live(&mut self, mut commands: mpsc::Receiver<Command>) -> Disconnected {
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let queue = self.invocations.clone();
        loop {
            // While the application does not take what was received, nothing is read, so this time does not count as silence.
            let room = match self.take_received().await {
                Ok(Room::Left) => true,
                Ok(Room::None) => false,
                Err(why) => return why,
            };
            let step = tokio::select! {
                message = self.socket.next(), if room => self.received(message),
                _ = sleep_until(self.last_received + SERVER_TIMEOUT), if room => Err(Disconnected::TimedOut),
                _ = queue.reserve(), if !room => {
                    self.last_received = Instant::now();
                    Ok(())
                }
                command = commands.recv() => self.obey(command).await,
                _ = pings.tick() => self.write(encoded(&HubMessage::Ping)).await,
            };
            if let Err(why) = step {
                return why;
            }
        }
    }

    fn received(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<(), Disconnected> {
        self.last_received = Instant::now();
        match message {
            Some(Ok(Message::Text(text))) => self.input.extend_from_slice(text.as_bytes()),
            Some(Ok(Message::Binary(bytes))) => self.input.extend_from_slice(&bytes),
            Some(Ok(Message::Close(frame))) => {
                let code =
                    frame.map_or_else(|| "without a code".to_owned(), |frame| format!("with code {}", frame.code));
                return Err(Disconnected::Lost(format!("the WebSocket was closed {code}")));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Disconnected::Lost(error.to_string())),
            None => return Err(Disconnected::Lost("the WebSocket ended".to_owned())),
        }
        Ok(())
    }

    /// Decodes and handles messages while the application has room for another call.
    async fn take_received(&mut self) -> Result<Room, Disconnected> {
        let input = std::mem::take(&mut self.input);
        let mut consumed = 0;
        let room = loop {
            let Ok(permit) = self.invocations.clone().try_reserve_owned() else {
                break Room::None;
            };
            match Protocol::Json.decode(&input[consumed..]) {
                Ok(Some((message, length))) => {
                    consumed += length;
                    let answer = match message {
                        HubMessage::Invocation(invocation) => take_invocation(&invocation, permit),
                        other => self.take(other).map(|()| None)?,
                    };
                    if let Some(answer) = answer {
                        self.write(answer).await?;
                    }
                }
                Ok(None) => break Room::Left,
                Err(error) => return Err(Disconnected::Protocol(error.to_string())),
            }
        };
        self.input = input;
        self.input.drain(..consumed);
        Ok(room)
    }

    fn take(&mut self, message: HubMessage<'_>) -> Result<(), Disconnected> {
        match message {
            HubMessage::Completion(completion) => {
                if let Some(waiting) = self.pending.remove(&*completion.invocation_id) {
                    // The application may have dropped the call in the meantime.
                    let _ = waiting.send(answer(completion));
                }
                Ok(())
            }
            HubMessage::Close(close) => Err(Disconnected::ByServer {
                error: close.error.map(Into::into),
                allow_reconnect: close.allow_reconnect,
            }),
            // The client never requests streams or stateful reconnect. A ping only had to arrive.
            _ => Ok(()),
        }
    }

    async fn obey(&mut self, command: Option<Command>) -> Result<(), Disconnected> {
        match command {
            Some(Command::Invoke { id, record, answer }) => {
                self.pending.retain(|_, waiting| !waiting.is_closed());
                self.pending.insert(id, answer);
                self.write(record).await
            }
            Some(Command::Send(record)) => self.write(record).await,
            Some(Command::Close(close_message)) => {
                self.write(close_message).await?;
                Err(Disconnected::Closed)
            }
            None => Err(Disconnected::Closed),
        }
    }

    /// Writes a record. A hub that reads nothing for the server timeout counts as lost.
    async fn write(&mut self, record: Vec<u8>) -> Result<(), Disconnected> {
        let text = Utf8Bytes::try_from(record).map_err(|error| Disconnected::Protocol(error.to_string()))?;
        match timeout(SERVER_TIMEOUT, self.socket.send(Message::Text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Disconnected::Lost(error.to_string())),
            Err(_) => Err(Disconnected::TimedOut),
        }
    }
}

/// Whether the queue to the application has room for another call.
enum Room {
    Left,
    None,
}

/// Passes a call to the application. If the hub expects a result, the answer is the error that the official clients send
/// when no handler returns one.
fn take_invocation(invocation: &Invocation<'_>, permit: mpsc::OwnedPermit<ServerInvocation>) -> Option<Vec<u8>> {
    let arguments = String::from_utf8_lossy(invocation.arguments.as_bytes()).into_owned();
    permit.send(ServerInvocation::new(invocation.target.clone().into_owned(), arguments));
    let id = invocation.invocation_id.as_deref().filter(|id| !id.is_empty())?;
    let outcome = Outcome::Error("Client didn't provide a result.".into());
    Some(encoded(&HubMessage::Completion(Completion::new(id, outcome))))
}

fn answer(completion: Completion<'_>) -> Answer {
    match completion.outcome {
        Outcome::Error(error) => Answer::Error(error.into_owned()),
        Outcome::Result(result) => Answer::Result(String::from_utf8_lossy(result.as_bytes()).into_owned()),
        Outcome::Void => Answer::Result("null".to_owned()),
    }
}

fn encoded(message: &HubMessage<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    Protocol::Json.encode(message, &mut record);
    record
}
