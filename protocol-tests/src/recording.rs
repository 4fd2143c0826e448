//! Recordings as types.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::pattern::Pattern;

/// Names the files of the crate's own recordings, each with its text.
const EMBEDDED: [(&str, &str); 17] = [
    ("auth", include_str!("../recordings/auth.json")),
    ("edge", include_str!("../recordings/edge.json")),
    ("handshake", include_str!("../recordings/handshake.json")),
    ("http", include_str!("../recordings/http.json")),
    ("invoke", include_str!("../recordings/invoke.json")),
    ("json", include_str!("../recordings/json.json")),
    ("limit", include_str!("../recordings/limit.json")),
    ("msgpack", include_str!("../recordings/msgpack.json")),
    ("negotiate", include_str!("../recordings/negotiate.json")),
    ("poll", include_str!("../recordings/poll.json")),
    ("result", include_str!("../recordings/result.json")),
    ("send", include_str!("../recordings/send.json")),
    ("sse", include_str!("../recordings/sse.json")),
    ("stateful", include_str!("../recordings/stateful.json")),
    ("stream", include_str!("../recordings/stream.json")),
    ("timer", include_str!("../recordings/timer.json")),
    ("ws", include_str!("../recordings/ws.json")),
];

/// What scenarios need that their recordings do not name.
const UNNAMED_NEEDS: [(&str, &str); 1] = [("handshake/messagepack-upper", "messagepack")];

/// Calls of methods that send to every connection of the server.
const RECEIVED_BY_OTHERS: [&str; 3] = ["SendAll", "SendOthers", "SendUser"];

/// The scenarios of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The file's name without its ending.
    pub name: String,
    /// The scenarios in the order of the file.
    pub scenarios: Vec<Scenario>,
}

impl Family {
    /// Parses the text of one file; `None` if it holds something other than scenarios.
    pub fn parse(name: &str, text: &str) -> Result<Option<Self>, RecordingError> {
        let malformed =
            |part: &str, source| RecordingError::Malformed { family: name.to_owned(), part: part.to_owned(), source };
        let mut document: Map<String, Value> =
            serde_json::from_str(text).map_err(|source| malformed("the document", source))?;
        let Some(scenarios) = document.remove("scenarios") else {
            return Ok(None);
        };
        let scenarios: Vec<Value> =
            serde_json::from_value(scenarios).map_err(|source| malformed("its list of scenarios", source))?;
        let scenarios = scenarios.into_iter().map(|value| {
            let id = value["id"].as_str().unwrap_or("a scenario without id").to_owned();
            let mut scenario = Scenario::from_value(value).map_err(|source| malformed(&id, source))?;
            let unnamed = UNNAMED_NEEDS.iter().filter(|(id, _)| *id == scenario.id);
            scenario.needs.extend(unnamed.map(|(_, need)| (*need).to_owned()));
            Ok(scenario)
        });
        Ok(Some(Self { name: name.to_owned(), scenarios: scenarios.collect::<Result<_, _>>()? }))
    }

    /// Returns the crate's own recordings: what ASP.NET Core SignalR 10.0.12 answered.
    pub fn embedded() -> Result<Vec<Self>, RecordingError> {
        let families = EMBEDDED.iter().map(|(name, text)| Self::parse(name, text));
        families.filter_map(Result::transpose).collect()
    }
}

/// A conversation with the server: the actions and the recorded answers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name in the form `family/what-happens`.
    pub id: String,
    /// What happens, in a few words.
    #[serde(default)]
    pub title: String,
    /// The features that a server must have to run this scenario.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Whether messages of this scenario reach connections of other scenarios.
    #[serde(skip)]
    pub reaches_others: bool,
}

impl Scenario {
    /// Makes a scenario from generated steps.
    pub(crate) fn generated(value: Value) -> Result<Self, RecordingError> {
        let part = value["id"].to_string();
        Self::from_value(value).map_err(|source| RecordingError::Malformed {
            family: "random".to_owned(),
            part,
            source,
        })
    }

    fn from_value(value: Value) -> Result<Self, serde_json::Error> {
        let text = value.to_string();
        let mut scenario: Self = serde_json::from_value(value)?;
        scenario.reaches_others = RECEIVED_BY_OTHERS.iter().any(|method| text.contains(method));
        Ok(scenario)
    }
}

/// One step: an action, and what it must show.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Step {
    /// The kind of step as the file calls it, such as `ws.open`.
    pub kind: String,
    /// The name of the connection or of the request in the background; empty where a step has none.
    pub connection: String,
    /// What is done.
    pub action: Action,
    /// The parts of what is seen that count; all of them if absent.
    pub only: Option<Vec<String>>,
    /// What must be seen; nothing is compared if absent.
    pub expect: Option<Value>,
}

impl TryFrom<Map<String, Value>> for Step {
    type Error = serde_json::Error;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut text = |name| fields.remove(name).map(serde_json::from_value::<String>).transpose();
        let connection = text("as")?;
        let only = text("only")?;
        let expect = fields.remove("expect");
        let kind = fields.get("do").and_then(Value::as_str).unwrap_or_default().to_owned();
        let action: Action = serde_json::from_value(Value::Object(fields))?;
        if connection.is_none() && !matches!(action, Action::Request(_) | Action::Sleep(_)) {
            return Err(serde::de::Error::missing_field("as"));
        }
        Ok(Self {
            kind,
            connection: connection.unwrap_or_default(),
            action,
            only: only.map(|names| names.split(',').map(str::to_owned).collect()),
            expect,
        })
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "do")]
pub enum Action {
    /// Sends a request and reads the whole response.
    #[serde(rename = "request")]
    Request(Request),
    /// Sends a request whose response is read in the background.
    #[serde(rename = "request.start")]
    RequestStart(Request),
    /// Waits for the response of a request in the background.
    #[serde(rename = "request.finish")]
    RequestFinish(RequestFinish),
    /// Opens a stream of server-sent events.
    #[serde(rename = "sse.open")]
    SseOpen(Request),
    /// Reads events until the server is quiet.
    #[serde(rename = "sse.drain")]
    SseDrain(Drain),
    /// Asks for a WebSocket.
    #[serde(rename = "ws.open")]
    WsOpen(WsOpen),
    /// Sends one WebSocket frame.
    #[serde(rename = "ws.send")]
    WsSend(WsSend),
    /// Reads frames until the server is quiet.
    #[serde(rename = "ws.drain")]
    WsDrain(Drain),
    /// Sends a close frame.
    #[serde(rename = "ws.close")]
    WsClose(WsClose),
    /// Closes the TCP connection without a close frame.
    #[serde(rename = "tcp.drop")]
    TcpDrop(TcpDrop),
    /// Does nothing for a while.
    #[serde(rename = "sleep")]
    Sleep(Sleep),
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method.
    #[serde(default = "Request::default_method")]
    pub method: String,
    /// The path and the query, with saved names in `${…}`.
    pub path: String,
    /// Headers beyond those that every request has; they replace these.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, if any.
    #[serde(default)]
    pub body: Option<Payload>,
    /// Names for properties of the JSON answered: name to key.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// How long the head, and then each part of the body, may take.
    #[serde(rename = "timeout_ms", default = "default_timeout", deserialize_with = "milliseconds")]
    pub timeout: Duration,
}

impl Request {
    fn default_method() -> String {
        "GET".to_owned()
    }
}

/// Bytes to send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// Text, sent as UTF-8.
    Text(String),
    /// Bytes as hexadecimal digits.
    Hex(String),
}

/// The end of a request in the background.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFinish {
    /// How long to wait for the response.
    #[serde(rename = "timeout_ms", default = "default_timeout", deserialize_with = "milliseconds")]
    pub timeout: Duration,
}

/// How long to read, and what to keep of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Reading ends when nothing came for this long.
    #[serde(rename = "idle_ms", default = "Drain::default_idle", deserialize_with = "milliseconds")]
    pub idle: Duration,
    /// Reading ends after this long in any case.
    #[serde(rename = "max_ms", default = "Drain::default_max", deserialize_with = "milliseconds")]
    pub max: Duration,
    /// Whether keep-alive pings count.
    #[serde(default)]
    pub pings: bool,
    /// Names for what the first group of a pattern finds in the frames.
    #[serde(default)]
    pub save: BTreeMap<String, Pattern>,
    /// Reading ends after this many.
    #[serde(default)]
    pub first: Option<usize>,
    /// Only the last ones count.
    #[serde(default)]
    pub last: Option<usize>,
}

impl Drain {
    /// How long nothing may come before reading ends. A scenario that waits for a certain number of messages allows one tick more:
    /// a server that looks at its connections once a second may just have looked.
    pub(crate) fn silence(&self) -> Duration {
        const TICK: Duration = Duration::from_secs(1);
        if self.first.is_some() { self.idle + TICK } else { self.idle }
    }

    fn default_idle() -> Duration {
        Duration::from_millis(300)
    }

    fn default_max() -> Duration {
        Duration::from_secs(5)
    }
}

/// A request for a WebSocket.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WsOpen {
    /// The path and the query, with saved names in `${…}`.
    pub path: String,
    /// Headers beyond those of the handshake; they replace these.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The WebSocket subprotocol to ask for.
    #[serde(default)]
    pub subprotocol: Option<String>,
}

/// A WebSocket frame to send.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WsSend {
    /// The payload as text, unless `hex` is there.
    #[serde(default)]
    pub text: String,
    /// The payload as hexadecimal digits.
    #[serde(default)]
    pub hex: Option<String>,
    /// The opcode; 1 for text and 2 for `hex` unless said.
    #[serde(default)]
    pub opcode: Option<u8>,
    /// Whether the message ends with this frame.
    #[serde(default = "WsSend::default_fin")]
    pub fin: bool,
}

impl WsSend {
    fn default_fin() -> bool {
        true
    }
}

/// A WebSocket close frame to send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WsClose {
    /// The close code.
    #[serde(default = "WsClose::default_code")]
    pub code: u16,
    /// The reason.
    #[serde(default)]
    pub reason: String,
}

impl WsClose {
    fn default_code() -> u16 {
        1000
    }
}

/// The end of a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpDrop {
    /// Whether the peer sees a reset instead of an orderly end.
    #[serde(default)]
    pub reset: bool,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sleep {
    /// How long it lasts.
    #[serde(rename = "ms", deserialize_with = "milliseconds")]
    pub duration: Duration,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A part of the text does not have the form of a recording.
    #[error("{family}.json: {part}: {source}")]
    Malformed {
        /// The file's name without its ending.
        family: String,
        /// The scenario, or the part of the document.
        part: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

#[cfg(test)]
mod tests;
