//! The REST producers: requests that publish the status of a device or a job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use signalhub_connections::{
    ApplicationLimit, Body, BodyError, BoxFuture, ClientError, ConnectionCounts, GuessLimit, HeaderName, HeaderValue,
    HttpRequest, HttpResponse, Method, Rate, Readers, RequestBody, RequestHead, Respond, StatusCode, TokenBucket,
};
use signalhub_events::{Broker, Event, EventName, Organisation, PublishError};
use tokio::time::Instant;

use super::authentication::{HEADER, message, unauthenticated};
use super::key_list::KeyEntry;
use super::keys::MisKeys;
use super::messages::{self, DEVICE_CHANGED, JOB_CHANGED, Member};
use super::mis_key::KeyHash;

/// How long a request waits at most for clients that read and are far behind.
const READERS_WAIT: Duration = Duration::from_secs(1);

/// After how much time a producer tries again that was refused because the history cannot be written.
const RETRY_WHEN_UNAVAILABLE: Duration = Duration::from_secs(5);

/// How many keys may have an allowance before those that are full are dropped.
const MOST_ALLOWANCES: usize = 1024;

const DEVICE_PATH: &str = "/api/v2/device/status";
const JOB_PATH: &str = "/api/v2/job/status";

/// Answers the requests of a listener that are no upgrades.
pub(super) struct Producers {
    pub(super) broker: Broker,
    pub(super) keys: MisKeys,
    /// Where refusals are counted.
    pub(super) counts: ConnectionCounts,
    pub(super) guesses: Option<GuessLimit>,
    pub(super) readers: Vec<Readers>,
    pub(super) maximum_body_size: usize,
    pub(super) rate: Option<Rate>,
    /// What the keys that have published lately may still publish.
    pub(super) allowances: Mutex<HashMap<KeyHash, TokenBucket>>,
}

/// A producer: the members of its requests, and the event that it publishes.
struct Producer {
    event: &'static str,
    members: &'static [Member],
    /// The member that names the device or job.
    guid: &'static str,
    /// Whether the event has all members, or the GUID alone.
    publishes: Publishes,
    done: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Publishes {
    AllMembers,
    Guid,
}

const DEVICE: Producer = Producer {
    event: DEVICE_CHANGED,
    members: messages::DEVICE,
    guid: "DeviceGUID",
    publishes: Publishes::AllMembers,
    done: "Device status successfully updated",
};

const JOB: Producer = Producer {
    event: JOB_CHANGED,
    members: messages::JOB_STATUS,
    guid: "JobGUID",
    publishes: Publishes::Guid,
    done: "Job successfully saved",
};

/// A refused request.
struct Refusal {
    status: StatusCode,
    text: String,
    reason: Reason,
    header: Option<(&'static str, HeaderValue)>,
}

/// How a refused request is counted.
#[derive(Clone, Copy)]
enum Reason {
    Error(ClientError),
    Limit(ApplicationLimit),
    /// The body took too long, which the server counts.
    Overdue,
    /// It is no error of the client.
    Internal,
}

impl Producers {
    async fn answer(&self, request: HttpRequest<RequestBody>) -> HttpResponse<Body> {
        let (head, body) = request.into_parts();
        match self.accept(&head, body).await {
            Ok(done) => message(StatusCode::OK, done).into(),
            Err(refusal) => {
                match refusal.reason {
                    Reason::Error(error) => self.counts.count_client_error(error),
                    Reason::Limit(limit) => self.counts.count_refusal(limit),
                    Reason::Overdue | Reason::Internal => {}
                }
                refusal.into_response()
            }
        }
    }

    /// Publishes what a request tells, and returns the text of its answer.
    async fn accept(&self, head: &RequestHead, body: RequestBody) -> Result<&'static str, Refusal> {
        let producer = match head.uri.path() {
            DEVICE_PATH => DEVICE,
            JOB_PATH => JOB,
            _ => return Err(Refusal::error(StatusCode::NOT_FOUND, ClientError::UnknownPath, "Not found")),
        };
        if head.method != Method::POST {
            let (status, error) = (StatusCode::METHOD_NOT_ALLOWED, ClientError::MethodNotAllowed);
            let header = Some(("allow", HeaderValue::from_static("POST")));
            return Err(Refusal { header, ..Refusal::error(status, error, "Expected method: POST") });
        }
        let entry = self.authenticate(head)?;
        self.take(entry.sha256).map_err(|after| {
            Refusal::too_many(ApplicationLimit::Publishes, "Too many requests with this MisKey", after)
        })?;
        check_media_type(head)?;
        let body = self.read(body).await?;
        self.publish(&producer, &entry, producer.payload(&body)?).await?;
        Ok(producer.done)
    }

    fn authenticate(&self, head: &RequestHead) -> Result<Arc<KeyEntry>, Refusal> {
        let given = head.headers.get(HEADER);
        if let Some(entry) = given.and_then(|given| self.keys.find(given.as_bytes())) {
            return Ok(entry);
        }
        let error = if given.is_some() { ClientError::InvalidCredentials } else { ClientError::MissingCredentials };
        let refusal = Refusal::error(StatusCode::UNAUTHORIZED, error, unauthenticated(head));
        let Some((_, guesses)) = given.zip(self.guesses.as_ref()) else { return Err(refusal) };
        let Err(after) = guesses.count(head) else { return Err(refusal) };
        let text = "Too many invalid MisKeys came from this address";
        Err(Refusal::too_many(ApplicationLimit::FailedAuthentications, text, after))
    }

    /// Takes one request from the allowance of a key, or tells after which time there is one.
    fn take(&self, key: KeyHash) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let now = Instant::now();
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        if allowances.len() >= MOST_ALLOWANCES && !allowances.contains_key(&key) {
            // A key that has not published lately has all of its allowance, as one without an entry.
            allowances.retain(|_, allowance| !allowance.is_full(now));
        }
        allowances.entry(key).or_insert_with(|| TokenBucket::new(rate, now)).take(1, now)
    }

    async fn publish(&self, producer: &Producer, entry: &KeyEntry, payload: String) -> Result<(), Refusal> {
        let mut wait = READERS_WAIT;
        for readers in &self.readers {
            wait = wait.saturating_sub(readers.wait(wait).await);
        }
        let event = Event::new(EventName::new(producer.event), payload)
            .with_organisation(Organisation::new(Arc::clone(&entry.organisation)));
        match self.broker.publish(event).await {
            Ok(receipt) => {
                tracing::debug!(event = producer.event, matched = receipt.matched, "an event was published");
                Ok(())
            }
            Err(PublishError::Unavailable(error)) => {
                let text = "The history is not available";
                tracing::debug!(event = producer.event, %error, "an event was not published");
                let header = Some(("retry-after", HeaderValue::from(RETRY_WHEN_UNAVAILABLE.as_secs())));
                Err(Refusal { header, ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Reason::Internal, text) })
            }
            Err(error) => {
                tracing::error!(event = producer.event, %error, "an event cannot be published");
                Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::Internal, "Internal Server Error"))
            }
        }
    }

    async fn read(&self, mut body: RequestBody) -> Result<Bytes, Refusal> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error {
                BodyError::Overdue => {
                    Refusal::new(StatusCode::REQUEST_TIMEOUT, Reason::Overdue, "The body did not arrive in time")
                }
                _ => Refusal::error(StatusCode::BAD_REQUEST, ClientError::BrokenBody, "The body broke off"),
            })?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > self.maximum_body_size {
                    let text = format!("The body may have {} bytes", self.maximum_body_size);
                    let reason = Reason::Limit(ApplicationLimit::BodySize);
                    return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, reason, text));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes.freeze())
    }
}

impl Producer {
    /// Checks the body of a request and makes the payload of its event. Members that are `null` or not documented are ignored.
    fn payload(&self, body: &[u8]) -> Result<String, Refusal> {
        let body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| bad_request(format!("Expected a JSON object: {error}")))?;
        let known = body.into_iter().filter(|(name, _)| self.members.iter().any(|member| member.name == name));
        let known: Map<String, Value> = known.filter_map(|(name, value)| Some((name, documented(value)?))).collect();
        let guid = match known.get(self.guid) {
            Some(Value::String(guid)) if !guid.is_empty() => guid.clone(),
            _ => return Err(bad_request(format!("\"{}\" value required", self.guid))),
        };
        if !messages::is_guid(&guid) {
            let text = format!("{} is not found", self.guid);
            return Err(Refusal::error(StatusCode::NOT_FOUND, ClientError::InvalidBody, text));
        }
        let text = messages::write(self.members, &Value::Object(known).to_string()).map_err(bad_request)?;
        Ok(match self.publishes {
            Publishes::AllMembers => text,
            Publishes::Guid => format!("{{\"{}\":\"{guid}\"}}", self.guid),
        })
    }
}

/// Removes `null`s, and makes a list of what the documents of the requests describe as one object. The messages have lists.
fn documented(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => documented(Value::Array(vec![Value::Object(members)])),
        Value::Array(items) => Some(items.into_iter().filter_map(without_nulls).collect()),
        other => Some(other),
    }
}

fn without_nulls(item: Value) -> Option<Value> {
    match item {
        Value::Null => None,
        Value::Object(members) => {
            Some(Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect()))
        }
        other => Some(other),
    }
}

/// A request without `Content-Type` is taken for JSON.
fn check_media_type(head: &RequestHead) -> Result<(), Refusal> {
    let Some(given) = head.headers.get("content-type") else { return Ok(()) };
    let given = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if given.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let (status, error) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, ClientError::UnsupportedMediaType);
    Err(Refusal::error(status, error, "Expected type: application/json"))
}

fn bad_request(text: impl Into<String>) -> Refusal {
    Refusal::error(StatusCode::BAD_REQUEST, ClientError::InvalidBody, text)
}

impl Refusal {
    fn new(status: StatusCode, reason: Reason, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), reason, header: None }
    }

    fn error(status: StatusCode, error: ClientError, text: impl Into<String>) -> Self {
        Self::new(status, Reason::Error(error), text)
    }

    fn too_many(limit: ApplicationLimit, text: &str, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let header = Some(("retry-after", HeaderValue::from(seconds)));
        Self { header, ..Self::new(StatusCode::TOO_MANY_REQUESTS, Reason::Limit(limit), text) }
    }

    fn into_response(self) -> HttpResponse<Body> {
        let Self { status, text, reason, header } = self;
        let (detail, status_code) = (&*text, status.as_u16());
        // The server has logged that a body took too long.
        if !matches!(reason, Reason::Overdue) {
            tracing::debug!(
                reason = reason.label(),
                status = status_code,
                detail,
                "a PrintFactory request was refused"
            );
        }
        let mut response = HttpResponse::from(message(status, &text));
        response.headers_mut().extend(header.map(|(name, value)| (HeaderName::from_static(name), value)));
        response
    }
}

impl Reason {
    fn label(self) -> &'static str {
        match self {
            Self::Error(error) => error.label(),
            Self::Limit(limit) => limit.label(),
            Self::Overdue => "body_timeout",
            Self::Internal => "internal",
        }
    }
}

impl Respond for Producers {
    fn respond(self: Arc<Self>, request: HttpRequest<RequestBody>) -> BoxFuture<HttpResponse<Body>> {
        Box::pin(async move { self.answer(request).await })
    }
}
