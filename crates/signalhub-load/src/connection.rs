//! A connection to a hub, over any transport and in any protocol.

mod event_stream;
mod negotiation;
mod transports;

use std::time::Duration;

use bytes::Bytes;
use signalhub_protocol::{
    Close, Completion, HandshakeRequest, HandshakeResponse, HubMessage, Invocation, Outcome, Protocol,
};
use tokio::time::timeout;

pub(crate) use self::transports::{Reader, Writer};
use crate::http::{Http, HttpError};
use crate::plan::{Call, Transport};
use crate::records::{RecordError, Records};

/// The time limit for opening a connection, from the negotiation to the end of the handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The time limit for the answer to a call before the load begins.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// The protocol version that is asked for (HubProtocol, Overview).
const VERSION: i32 = 1;

/// How often a client shows that it is alive; servers end connections after 30 s without a message.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Where connections go.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) http: Http,
    pub(crate) url: String,
    pub(crate) transport: Transport,
    pub(crate) protocol: Protocol,
}

/// An open connection whose handshake is done.
pub(crate) struct Connection {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) records: Records,
    pub(crate) protocol: Protocol,
}

/// Why there is no connection, or why it ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the connection was not open within {} s", CONNECT_TIMEOUT.as_secs())]
    TimedOut,
    #[error("the server does not offer this transport, or not with this protocol")]
    TransportMissing,
    #[error("the negotiation was refused: {0}")]
    Negotiation(String),
    #[error("the hub refused the handshake: {0}")]
    Handshake(String),
    #[error("the hub refused the call of {0}: {1}")]
    Call(String, String),
    #[error("the call of {method} was not answered within {} s", CALL_TIMEOUT.as_secs())]
    CallTimedOut { method: String },
    #[error("the server ended the connection{}", .0.as_ref().map_or(String::new(), |why| format!(": {why}")))]
    Ended(Option<String>),
    #[error("the connection was lost: {0}")]
    Lost(String),
}

impl From<RecordError> for ConnectionError {
    fn from(error: RecordError) -> Self {
        Self::Lost(error.to_string())
    }
}

impl Hub {
    /// Opens a connection and performs the handshake.
    pub(crate) async fn connect(&self, token: Option<&str>) -> Result<Connection, ConnectionError> {
        timeout(CONNECT_TIMEOUT, self.open(token)).await.map_err(|_| ConnectionError::TimedOut)?
    }

    async fn open(&self, token: Option<&str>) -> Result<Connection, ConnectionError> {
        let address = negotiation::negotiate(self, token).await?;
        let (mut reader, mut writer) = transports::open(self, address).await?;
        let mut hello = Vec::new();
        HandshakeRequest::new(self.protocol, VERSION).encode(&mut hello);
        writer.send(hello.into()).await?;
        let mut input = Vec::new();
        loop {
            let answer = HandshakeResponse::parse(&input).map_err(|error| ConnectionError::Lost(error.to_string()))?;
            match answer {
                Some((HandshakeResponse { error: Some(error) }, _)) => return Err(ConnectionError::Handshake(error)),
                Some((HandshakeResponse { error: None }, taken)) => {
                    let mut records = Records::new(self.protocol);
                    records.feed(&input[taken..], |_| {})?;
                    return Ok(Connection { reader, writer, records, protocol: self.protocol });
                }
                None => input.extend_from_slice(&reader.receive().await?),
            }
        }
    }
}

impl Connection {
    /// Calls a method of the hub and waits until it has succeeded.
    pub(crate) async fn call(&mut self, call: &Call, group: u32) -> Result<(), ConnectionError> {
        let invocation = invocation(self.protocol, call, group, "", "0");
        self.writer.send(invocation).await?;
        let answer = timeout(CALL_TIMEOUT, self.answer(call.method())).await;
        answer.map_err(|_| ConnectionError::CallTimedOut { method: call.method().to_owned() })?
    }

    async fn answer(&mut self, method: &str) -> Result<(), ConnectionError> {
        loop {
            let bytes = self.reader.receive().await?;
            let mut answer = None;
            let protocol = self.protocol;
            self.records.feed(&bytes, |record| {
                answer = answer.take().or_else(|| match Message::read(protocol, record) {
                    Message::Completion { error: None, .. } => Some(Ok(())),
                    Message::Completion { error: Some(error), .. } => {
                        Some(Err(ConnectionError::Call(method.to_owned(), error)))
                    }
                    Message::Close(why) => Some(Err(ConnectionError::Ended(why))),
                    Message::Other => None,
                });
            })?;
            if let Some(answer) = answer {
                return answer;
            }
        }
    }
}

/// What a message of the server means to a client under load.
#[derive(Debug)]
pub(crate) enum Message {
    /// The answer to a call.
    Completion { id: String, error: Option<String> },
    /// The server ends the connection, perhaps with a reason.
    Close(Option<String>),
    /// A call of a client method, a ping, or what cannot be read.
    Other,
}

impl Message {
    /// Reads a whole message.
    pub(crate) fn read(protocol: Protocol, record: &[u8]) -> Self {
        match protocol.decode(record) {
            Ok(Some((HubMessage::Completion(Completion { invocation_id, outcome, .. }), _))) => {
                let error = match outcome {
                    Outcome::Error(error) => Some(error.into_owned()),
                    Outcome::Result(_) | Outcome::Void => None,
                };
                Self::Completion { id: invocation_id.into_owned(), error }
            }
            Ok(Some((HubMessage::Close(Close { error, .. }), _))) => Self::Close(error.map(Into::into)),
            _ => Self::Other,
        }
    }
}

/// Tells whether a message calls a client method of this name, whatever the case of its letters.
pub(crate) fn calls(protocol: Protocol, record: &[u8], target: &str) -> bool {
    match protocol.decode(record) {
        Ok(Some((HubMessage::Invocation(invocation), _))) => invocation.target.eq_ignore_ascii_case(target),
        _ => false,
    }
}

/// Encodes a call with an id.
pub(crate) fn invocation(protocol: Protocol, call: &Call, group: u32, payload: &str, id: &str) -> Bytes {
    let arguments = call.arguments(group, payload);
    let mut invocation = Invocation::new(call.method(), Protocol::Json.arguments(arguments.as_bytes()));
    invocation.invocation_id = Some(id.into());
    let mut record = Vec::new();
    protocol.encode(&HubMessage::Invocation(invocation), &mut record);
    record.into()
}

/// Encodes a ping.
pub(crate) fn ping(protocol: Protocol) -> Bytes {
    let mut record = Vec::new();
    protocol.encode(&HubMessage::Ping, &mut record);
    record.into()
}
