//! The REST producers: requests that publish the status of a device or a job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use signalhub_connections::{
    Body, BodyError, BoxFuture, GuessLimit, HeaderValue, HttpRequest, HttpResponse, Method, Rate, Readers, RequestBody,
    RequestHead, Respond, StatusCode, TokenBucket,
};
use signalhub_events::{Broker, Event, EventName, Organisation};
use tokio::time::Instant;

use super::authentication::{HEADER, message, unauthenticated};
use super::key_list::KeyEntry;
use super::keys::MisKeys;
use super::messages::{self, DEVICE_CHANGED, JOB_CHANGED, Member};
use super::mis_key::KeyHash;

/// How long a request waits at most for clients that read and are far behind.
const READERS_WAIT: Duration = Duration::from_secs(1);

/// How many keys may have an allowance before those that are full are dropped.
const MOST_ALLOWANCES: usize = 1024;

const DEVICE_PATH: &str = "/api/v2/device/status";
const JOB_PATH: &str = "/api/v2/job/status";

/// Answers the requests of a listener that are no upgrades.
pub(super) struct Producers {
    pub(super) broker: Broker,
    pub(super) keys: MisKeys,
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

/// The answer to a request: a status and its message.
type Answer = (StatusCode, String);

impl Producers {
    async fn answer(&self, request: HttpRequest<RequestBody>) -> HttpResponse<Body> {
        let (head, body) = request.into_parts();
        let producer = match head.uri.path() {
            DEVICE_PATH => DEVICE,
            JOB_PATH => JOB,
            _ => return message(StatusCode::NOT_FOUND, "Not found").into(),
        };
        if head.method != Method::POST {
            let mut response = HttpResponse::from(message(StatusCode::METHOD_NOT_ALLOWED, "Expected method: POST"));
            response.headers_mut().insert("allow", HeaderValue::from_static("POST"));
            return response;
        }
        let entry = match self.authenticate(&head) {
            Ok(entry) => entry,
            Err(refusal) => return refusal,
        };
        if let Err(after) = self.take(entry.sha256) {
            return too_many("Too many requests with this MisKey", after);
        }
        let (status, text) = match self.publish(&producer, &entry, &head, body).await {
            Ok(()) => (StatusCode::OK, producer.done.to_owned()),
            Err(refused) => refused,
        };
        if status != StatusCode::OK {
            tracing::debug!(
                status = status.as_u16(),
                detail = text,
                "a request of a PrintFactory producer was refused"
            );
        }
        message(status, &text).into()
    }

    #[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
    fn authenticate(&self, head: &RequestHead) -> Result<Arc<KeyEntry>, HttpResponse<Body>> {
        let given = head.headers.get(HEADER);
        if let Some(entry) = given.and_then(|given| self.keys.find(given.as_bytes())) {
            return Ok(entry);
        }
        let refusal = message(StatusCode::UNAUTHORIZED, unauthenticated(head));
        let Some((_, guesses)) = given.zip(self.guesses.as_ref()) else { return Err(refusal.into()) };
        let Err(after) = guesses.count(head) else { return Err(refusal.into()) };
        Err(too_many("Too many invalid MisKeys came from this address", after))
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

    async fn publish(
        &self,
        producer: &Producer,
        entry: &KeyEntry,
        head: &RequestHead,
        body: RequestBody,
    ) -> Result<(), Answer> {
        check_media_type(head)?;
        let body = self.read(body).await?;
        let payload = producer.payload(&body)?;
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
            Err(error) => {
                tracing::error!(event = producer.event, %error, "an event cannot be published");
                Err((StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error".to_owned()))
            }
        }
    }

    async fn read(&self, mut body: RequestBody) -> Result<Bytes, Answer> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| match error {
                BodyError::Overdue => (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time".to_owned()),
                _ => bad_request("The body broke off"),
            })?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > self.maximum_body_size {
                    let text = format!("The body may have {} bytes", self.maximum_body_size);
                    return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes.freeze())
    }
}

impl Producer {
    /// Checks the body of a request and makes the payload of its event. Members that are `null` or not documented are ignored.
    fn payload(&self, body: &[u8]) -> Result<String, Answer> {
        let body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| bad_request(format!("Expected a JSON object: {error}")))?;
        let known = body.into_iter().filter(|(name, _)| self.members.iter().any(|member| member.name == name));
        let known: Map<String, Value> = known.filter_map(|(name, value)| Some((name, documented(value)?))).collect();
        let guid = match known.get(self.guid) {
            Some(Value::String(guid)) if !guid.is_empty() => guid.clone(),
            _ => return Err(bad_request(format!("\"{}\" value required", self.guid))),
        };
        if !messages::is_guid(&guid) {
            return Err((StatusCode::NOT_FOUND, format!("{} is not found", self.guid)));
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

fn too_many(text: &str, after: Duration) -> HttpResponse<Body> {
    tracing::debug!(detail = text, "a request of a PrintFactory producer was refused");
    let mut response = HttpResponse::from(message(StatusCode::TOO_MANY_REQUESTS, text));
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    response
}

/// A request without `Content-Type` is taken for JSON.
fn check_media_type(head: &RequestHead) -> Result<(), Answer> {
    let Some(given) = head.headers.get("content-type") else { return Ok(()) };
    let given = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match given.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "Expected type: application/json".to_owned())),
    }
}

fn bad_request(text: impl Into<String>) -> Answer {
    (StatusCode::BAD_REQUEST, text.into())
}

impl Respond for Producers {
    fn respond(self: Arc<Self>, request: HttpRequest<RequestBody>) -> BoxFuture<HttpResponse<Body>> {
        Box::pin(async move { self.answer(request).await })
    }
}
