//! What the tests share: a node in this process, and an HTTP client.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub(crate) mod certificate;
#[cfg(unix)]
pub(crate) mod process;
#[cfg(target_os = "linux")]
pub(crate) mod terminal;
#[cfg(unix)]
pub(crate) mod terminal_output;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use signalhub::connections::Revocations;
use signalhub_server::configuration::{ApiKey, SigningSecret};
use signalhub_server::{Configuration, Counts, HUB_PATH, Node, ReloadRequest, TokenContent, sign};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "a secret of tests that has enough bytes";
pub(crate) const KEY: &str = "a-long-key-of-the-tests";

/// A configuration with a key, on a port that the system chooses.
pub(crate) fn configuration(more: &str) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.listen.drain_time = Duration::ZERO;
    configuration
        .read_toml("test", &format!("[listen]\npublic = \"127.0.0.1:0\"\ninternal = \"127.0.0.1:0\"\n{more}"))
        .unwrap();
    configuration.auth.secret = SigningSecret::new(SECRET);
    configuration.publish.keys.push(ApiKey::new(KEY).unwrap());
    configuration
}

/// Signs claims with the key of the tests, whatever they are.
pub(crate) fn sign_claims(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) configuration: Configuration,
    pub(crate) url: String,
    /// Where the publish API is.
    pub(crate) publish_url: String,
    /// Where the internal listener is.
    pub(crate) internal: String,
    pub(crate) counts: Counts,
    pub(crate) reload: ReloadRequest,
    dialects: Vec<(&'static str, SocketAddr)>,
    pub(crate) revocations: Revocations,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(configuration: Configuration) -> Self {
        let node = Node::bind(&configuration).await.unwrap();
        let url = format!("http://{}", node.address());
        let publish_url = format!("http://{}", node.publish_address());
        let internal = node.internal_address().map_or_else(String::new, |address| format!("http://{address}"));
        let (counts, revocations) = (node.counts(), node.revocations());
        let (reload, dialects) = (node.reload_request(), node.dialect_addresses().collect());
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(async move {
            node.run_until(async { drop(stopped.await) }).await.unwrap();
        });
        Self { configuration, url, publish_url, internal, counts, revocations, reload, dialects, stop, ended }
    }

    /// Where a dialect listens.
    pub(crate) fn dialect(&self, name: &str) -> SocketAddr {
        self.dialects.iter().find(|(known, _)| *known == name).unwrap().1
    }

    pub(crate) fn hub(&self) -> String {
        format!("{}{HUB_PATH}", self.url)
    }

    pub(crate) fn token(&self, change: impl FnOnce(&mut TokenContent)) -> String {
        let mut content = TokenContent {
            user: "ann".to_owned(),
            lifetime: Duration::from_secs(60),
            organisation: None,
            grants: Vec::new(),
            publish: Vec::new(),
        };
        change(&mut content);
        sign(&self.configuration.auth, &content).unwrap()
    }

    /// Publishes with the API key and gives the receipt or the problem.
    pub(crate) async fn publish(&self, body: &str) -> Answer {
        self.publish_as("application/json", body).await
    }

    /// Publishes with this query, such as `?wait=matched`, and this idempotency key.
    pub(crate) async fn publish_with(&self, query: &str, key: &str, body: &str) -> Answer {
        let request = Request::post(format!("{}/api/v1/publish{query}", self.publish_url))
            .header("X-API-Key", KEY)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key);
        send(request.body(Full::from(body.to_owned())).unwrap()).await
    }

    /// Publishes a body of this content type.
    pub(crate) async fn publish_as(&self, content_type: &str, body: &str) -> Answer {
        let request = Request::post(format!("{}/api/v1/publish", self.publish_url))
            .header("X-API-Key", KEY)
            .header("Content-Type", content_type);
        send(request.body(Full::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn stop(self) {
        self.begin_to_stop().await.unwrap();
    }

    /// Asks it to stop, and gives its end.
    pub(crate) fn begin_to_stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.ended
    }
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// For each item of a batch its code, or `-` for a receipt.
    pub(crate) fn codes(&self) -> Vec<&str> {
        let items = self.body.as_array().map_or(&[][..], Vec::as_slice);
        items.iter().map(|item| item["code"].as_str().unwrap_or("-")).collect()
    }

    /// Status and code, such as `400 unknown_event`; a receipt has no code.
    pub(crate) fn verdict(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.body["code"].as_str().unwrap_or("-"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status: head.status, headers: head.headers, body, text }
}
