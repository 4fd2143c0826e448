//! What a run does.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderMap;
use signalhub_protocol::Protocol;
use signalhub_tls_client::TlsClient;

use crate::expectation::Expectation;
use crate::schedule::Rate;

/// What a run does, with which server.
#[derive(Clone)]
pub struct Plan {
    /// The hub: an `http` or `https` URL.
    pub url: String,
    /// Which servers at `https` URLs are trusted; the authorities of the system by default.
    pub tls: Option<TlsClient>,
    /// The bearer tokens of the connections, used in turn; none sends no credentials.
    pub tokens: Vec<String>,
    /// How many connections receive.
    pub connections: NonZeroU32,
    /// How many connections are opened, at even distances.
    pub connect_rate: Rate,
    /// How messages travel.
    pub transport: Transport,
    /// The hub protocol.
    pub protocol: Protocol,
    /// Into how many groups the connections are divided; each event goes to one of them, in turn.
    pub groups: NonZeroU32,
    /// How many of the connections do not read. What they do not get is not counted as lost.
    pub slow: u32,
    /// What each connection calls before the load begins.
    pub join: Option<Call>,
    /// How events get to the server.
    pub source: Source,
    /// The name of the client method that counts; any by default.
    pub target: Option<String>,
    /// The length of the payloads in bytes, from [`SHORTEST_PAYLOAD`](crate::SHORTEST_PAYLOAD).
    pub size: usize,
    /// How many events are sent.
    pub rate: Rate,
    /// For how long, before the measurement begins.
    pub warm_up: Duration,
    /// For how long, measured.
    pub duration: Duration,
    /// How many senders take turns, at most 256. Each waits for the answer to one publish before it sends the next one.
    pub senders: NonZeroU32,
    /// From which latency on an event counts as late.
    pub late: Duration,
    /// What the latency must be.
    pub expectations: Vec<Expectation>,
}

/// Shows no token.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("connections", &self.connections).field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// How messages travel between a client and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket after a negotiation.
    WebSockets,
    /// A WebSocket without a negotiation, which servers behind load balancers may need.
    WebSocketsAlone,
    /// An event stream, which carries text alone.
    ServerSentEvents,
    /// One request after another.
    LongPolling,
}

impl Transport {
    /// Returns the name in figures, as OpenTelemetry spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSockets | Self::WebSocketsAlone => "web_sockets",
            Self::ServerSentEvents => "server_sent_events",
            Self::LongPolling => "long_polling",
        }
    }
}

/// How events get to the server.
#[derive(Clone)]
pub enum Source {
    /// By the publish API: a POST with a Portos notification.
    Publish {
        /// Where the API is.
        url: String,
        /// What authorises publishes.
        headers: HeaderMap,
        /// The name of the event; `{group}` stands for the name of the group.
        event: String,
    },
    /// By calls of a hub method, from connections of their own.
    Invoke(Call),
}

/// Shows no headers, which may have a key.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish { event, .. } => f.debug_struct("Publish").field("event", event).finish_non_exhaustive(),
            Self::Invoke(call) => f.debug_tuple("Invoke").field(call).finish(),
        }
    }
}

/// A call of a hub method.
#[derive(Debug, Clone)]
pub struct Call {
    method: String,
    arguments: String,
}

/// What stands for the payload in an argument.
const PAYLOAD: &str = "{payload}";

/// What stands for the name of the group.
const GROUP: &str = "{group}";

/// The name of a group, which needs no escapes in JSON.
pub(crate) fn group_name(group: u32) -> String {
    format!("bench-{group}")
}

/// Puts the name of a group where `{group}` stands.
pub(crate) fn with_group(text: &str, group: u32) -> String {
    text.replace(GROUP, &group_name(group))
}

impl Call {
    /// Names a method and its arguments. In their texts `{payload}` stands for the payload and `{group}` for the name of the group.
    pub fn new(method: impl Into<String>, arguments: Vec<serde_json::Value>) -> Self {
        Self { method: method.into(), arguments: serde_json::Value::Array(arguments).to_string() }
    }

    /// Tells whether the payload is among the arguments.
    pub fn carries_payload(&self) -> bool {
        self.arguments.contains(PAYLOAD)
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Makes the arguments of a call, as JSON.
    pub(crate) fn arguments(&self, group: u32, payload: &str) -> String {
        with_group(&self.arguments, group).replace(PAYLOAD, payload)
    }
}
