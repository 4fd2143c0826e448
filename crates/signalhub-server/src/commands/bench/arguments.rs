//! The arguments of `signalhub bench`, and the run that they describe.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::Uri;
use serde_json::{Value, json};
use signalhub_load::{Call, Expectation, Plan, Rate, Source, Transport};
use signalhub_protocol::Protocol;
use signalhub_tls_client::TlsClient;

use super::credentials::{CredentialArguments, Credentials};
use crate::commands::error::CommandError;
use crate::commands::server_trust::TrustArguments;
use crate::commands::sources::Sources;
use crate::configuration::parse_duration;
use crate::node::HUB_PATH;

/// Where the publish API of a signalhub server is.
const PUBLISH_PATH: &str = "/api/v1/publish";

/// How many senders publish by default. Each waits for the answer to one publish before it sends the next one.
const PUBLISHERS: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// For how long tokens that are signed here are valid, beside the time of the run.
const TOKEN_RESERVE: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The hub: an http:// or https:// URL; without a path, that of the Portos hub
    url: String,
    /// How many connections receive
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    connections: NonZeroU32,
    /// How many events are sent: a number a second (s), minute (m) or hour (h)
    #[arg(long, value_name = "RATE", default_value = "100/s")]
    rate: Rate,
    /// The length of the payload of an event in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 256)]
    size: usize,
    /// For how long events are sent and measured
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    duration: Duration,
    /// For how long events are sent before, without being measured
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    warm_up: Duration,
    /// How messages travel; sse cannot carry messagepack
    #[arg(long, default_value = "websockets")]
    transport: TransportArgument,
    /// Open WebSockets without a negotiation
    #[arg(long)]
    skip_negotiation: bool,
    /// The hub protocol
    #[arg(long, default_value = "json")]
    protocol: ProtocolArgument,
    /// How many connections are opened: a number a second (s), minute (m) or hour (h)
    #[arg(long, value_name = "RATE", default_value = "200/s")]
    connect_rate: Rate,
    /// The event that is published over HTTP; {group} stands for the name of the group
    #[arg(long, value_name = "NAME", default_value = "portos.resources.changed", conflicts_with = "method")]
    event: String,
    /// Where events are published; /api/v1/publish of the same server by default
    #[arg(long, value_name = "URL", conflicts_with = "method")]
    publish_url: Option<String>,
    /// Call this method of the hub for each event, in place of a publish over HTTP
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// An argument of --method: JSON or text, with {payload} and {group}; repeatable; the payload alone by default
    #[arg(long, value_name = "VALUE", requires = "method", allow_hyphen_values = true)]
    argument: Vec<String>,
    /// What each connection calls first; Subscribe with the event by default, and nothing with --method
    #[arg(long, value_name = "METHOD")]
    join: Option<String>,
    /// An argument of --join: JSON or text, with {group}; repeatable; the name of the group alone by default
    #[arg(long, value_name = "VALUE", requires = "join", allow_hyphen_values = true)]
    join_argument: Vec<String>,
    /// The client method whose calls count; every call with a payload of this run by default
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Into how many groups the connections are divided; each event goes to one of them, in turn
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    groups: NonZeroU32,
    /// How many senders take turns; 4 by default, and 1 with --method
    #[arg(long, value_name = "NUMBER")]
    senders: Option<NonZeroU32>,
    /// How many of the connections do not read, such as 1%; what they do not get is not lost
    #[arg(long, value_name = "PERCENT", default_value = "0%", value_parser = percent)]
    slow: f64,
    /// From which latency on a delivery is late
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    late: Duration,
    /// What the latency must be, such as p99<50ms or max<1s; repeatable
    #[arg(long, value_name = "PERCENTILE<TIME")]
    expect: Vec<Expectation>,
    /// A file for the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    credentials: CredentialArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TransportArgument {
    Websockets,
    Sse,
    LongPolling,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProtocolArgument {
    Json,
    Messagepack,
}

impl Arguments {
    /// Describes the run.
    pub(super) fn plan(&self, sources: &Sources) -> Result<Plan, CommandError> {
        let url = hub_url(&self.url)?;
        let publish_url = match &self.publish_url {
            Some(url) => parsed(url)?.to_string(),
            None => with_path(&url, PUBLISH_PATH)?,
        };
        let lifetime = self.warm_up + self.duration + TOKEN_RESERVE;
        let credentials =
            self.credentials.read(sources, &url.to_string(), &self.event, self.connections.get(), lifetime)?;
        let Credentials { tokens, publish_headers } = credentials;
        let source = match &self.method {
            Some(method) => Source::Invoke(Call::new(method, arguments(&self.argument, "{payload}"))),
            None => Source::Publish { url: publish_url, headers: publish_headers, event: self.event.clone() },
        };
        let senders = if self.method.is_some() { NonZeroU32::MIN } else { PUBLISHERS };
        Ok(Plan {
            url: url.to_string(),
            tls: self.trust.apply(None, |_, pem| TlsClient::with_ca(pem).map(Some))?,
            tokens,
            connections: self.connections,
            connect_rate: self.connect_rate,
            transport: self.transport()?,
            protocol: match self.protocol {
                ProtocolArgument::Json => Protocol::Json,
                ProtocolArgument::Messagepack => Protocol::MessagePack,
            },
            groups: self.groups,
            slow: self.slow_connections(),
            join: self.join(),
            source,
            target: self.target.clone(),
            size: self.size,
            rate: self.rate,
            warm_up: self.warm_up,
            duration: self.duration,
            senders: self.senders.unwrap_or(senders),
            late: self.late,
            expectations: self.expect.clone(),
        })
    }

    fn transport(&self) -> Result<Transport, CommandError> {
        match (self.transport, self.skip_negotiation) {
            (TransportArgument::Websockets, false) => Ok(Transport::WebSockets),
            (TransportArgument::Websockets, true) => Ok(Transport::WebSocketsAlone),
            (_, true) => Err(CommandError::Usage("--skip-negotiation needs --transport websockets".to_owned())),
            (TransportArgument::Sse, false) => Ok(Transport::ServerSentEvents),
            (TransportArgument::LongPolling, false) => Ok(Transport::LongPolling),
        }
    }

    /// What each connection calls first.
    fn join(&self) -> Option<Call> {
        if let Some(method) = &self.join {
            return Some(Call::new(method, arguments(&self.join_argument, "{group}")));
        }
        if self.method.is_some() {
            return None;
        }
        // The groups are resources, unless the name of the event has the group.
        let request = if self.groups.get() > 1 && !self.event.contains("{group}") {
            json!({"e": self.event, "r": [{"n": "{group}"}]})
        } else {
            json!({"e": self.event})
        };
        Some(Call::new("Subscribe", vec![request]))
    }

    /// At least one if a share is given.
    fn slow_connections(&self) -> u32 {
        let share = f64::from(self.connections.get()) * self.slow / 100.0;
        // A cast keeps what is in range, and a share of the connections is.
        if self.slow > 0.0 { (share.round() as u32).max(1) } else { 0 }
    }
}

/// Reads arguments of a call: what is not JSON is a text.
fn arguments(given: &[String], default: &str) -> Vec<Value> {
    if given.is_empty() {
        return vec![Value::from(default)];
    }
    given.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()))).collect()
}

fn hub_url(text: &str) -> Result<Uri, CommandError> {
    let uri = parsed(text)?;
    if uri.path() == "/" && uri.query().is_none() { parsed(&with_path(&uri, HUB_PATH)?) } else { Ok(uri) }
}

fn parsed(text: &str) -> Result<Uri, CommandError> {
    let wrong = || {
        let shown = text.split('?').next().unwrap_or_default();
        let shown = if shown.contains('@') { "the URL" } else { shown };
        CommandError::Usage(format!(
            "\"{shown}\" cannot be used: expected a URL such as http://127.0.0.1:3000{HUB_PATH}"
        ))
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if is_http && has_host { Ok(uri) } else { Err(wrong()) }
}

/// Another path of the same server.
fn with_path(uri: &Uri, path: &str) -> Result<String, CommandError> {
    let (scheme, authority) =
        (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |authority| authority.as_str()));
    Ok(parsed(&format!("{scheme}://{authority}{path}"))?.to_string())
}

fn time(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a time such as 500ms, 30s or 5m".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    number.filter(|number| (0.0..100.0).contains(number)).ok_or_else(|| "expected a share such as 1%".to_owned())
}

#[cfg(test)]
mod tests;
