//! The publish API: accepts notifications, and answers with receipts or problems.

mod access_line;
mod api_clients;
pub(crate) mod authorize;
pub(crate) mod cloud_event;
pub(crate) mod content;
mod idempotency;
pub(crate) mod publish_body;
mod rate;
pub(crate) mod reader;
mod receipts;
mod trace;
mod wait;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as HttpBody;
use portos_notifications::{PublishBody, Receipt, Wait, broker};
use serde_json::value::RawValue;
use signalhub::connections::{Body, Readers, RequestId};
use signalhub::events::{
    Broker, Durability, PublishError, PublishOptions, Published, Reach, Repeat, SharedPublishError, TraceParent,
    Tracking,
};
use tokio::time::Instant;
use tracing::Instrument;

use super::counts::{PublishCounters, PublishKind};
use super::problem::{Problem, ProblemCode};
use super::request_body::{self, BodyLimits, BoxError};
use super::response::json_response;
use crate::cluster::peers::Peers;
use crate::configuration::Publish;
use crate::lifecycle::{Lifecycle, Phase};
use crate::traces::{ItemEnd, ItemSpan, ItemStart, RequestSpan, Traces};
use access_line::AccessLine;
use authorize::{Authorizer, Publisher};
use cloud_event::CloudEvent;
use content::{Content, MediaType};
use idempotency::GivenKey;
use rate::Allowances;
use reader::Reader;
use receipts::Outcome;

/// The path of the publish API.
pub(crate) const PATH: &str = "/api/v1/publish";

/// How long a request waits at most for clients that read and are far behind.
const READERS_WAIT: Duration = Duration::from_secs(1);

/// How many subscribers the items of a batch that waits for its deliveries have matched before it waits for those.
const MOST_TRACKED: u64 = 100_000;

/// Accepts notifications for a broker.
#[derive(Debug)]
pub(crate) struct PublishApi {
    broker: Broker,
    authorizer: Authorizer,
    allowances: Allowances,
    body: BodyLimits,
    maximum_batch_size: usize,
    wait_timeout: Duration,
    /// How long the other nodes of a cluster are waited for.
    receipt_timeout: Duration,
    /// The other nodes of the cluster, if there is one.
    peers: Option<Peers>,
    lifecycle: Lifecycle,
    refused: Arc<PublishCounters>,
    readers: Vec<Readers>,
    traces: Traces,
}

/// What the head of a request says about its publishes.
struct Asked {
    media: MediaType,
    /// The header `Idempotency-Key`.
    key: Option<String>,
    wait: Wait,
    /// The id of the request, for the access log.
    request: Option<RequestId>,
    /// The trace of the request.
    trace: Option<TraceParent>,
}

/// One notification that was read.
struct Item<'a> {
    key: Option<GivenKey<'a>>,
    trace: Option<TraceParent>,
    body: PublishBody,
}

impl Asked {
    fn read(head: &Parts) -> Result<Self, Problem> {
        let media = MediaType::of(&head.headers)?;
        let key = idempotency::header(&head.headers, media)?;
        Ok(Self {
            media,
            key,
            wait: wait::read(&head.uri)?,
            trace: trace::of(&head.headers),
            request: head.extensions.get().cloned(),
        })
    }
}

impl PublishApi {
    pub(crate) fn new(broker: Broker, authorizer: Authorizer, settings: &Publish, lifecycle: Lifecycle) -> Self {
        Self {
            broker,
            allowances: Allowances::new(settings.rate),
            refused: Arc::new(PublishCounters::new(authorizer.client_counters())),
            authorizer,
            body: BodyLimits {
                size: settings.maximum_body_size,
                size_of: "publish.maximum_body_size",
                time: settings.body_timeout,
                time_of: "publish.body_timeout",
            },
            maximum_batch_size: settings.maximum_batch_size.get(),
            wait_timeout: settings.wait_timeout,
            receipt_timeout: Duration::ZERO,
            peers: None,
            lifecycle,
            readers: Vec::new(),
            traces: Traces::default(),
        }
    }

    /// Returns the broker that it publishes to.
    pub(super) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Sets the clients that a burst waits for.
    pub(crate) fn waiting_for(self, readers: Vec<Readers>) -> Self {
        Self { readers, ..self }
    }

    /// Sets the other nodes of a cluster, and how long they are waited for, to count their subscribers.
    pub(crate) fn waiting_for_nodes(self, peers: Option<Peers>, receipt_timeout: Duration) -> Self {
        Self { peers, receipt_timeout, ..self }
    }

    /// The other nodes of a cluster, if there is one, and how long they are waited for.
    pub(super) fn peers(&self) -> Option<(&Peers, Duration)> {
        Some((self.peers.as_ref()?, self.receipt_timeout))
    }

    /// Sets what records its spans.
    pub(crate) fn traced_by(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Waits for clients that read and are far behind, for at most `most`, and returns what is left of it.
    async fn wait_for_readers(&self, most: Duration) -> Duration {
        let mut left = most;
        for readers in &self.readers {
            left = left.saturating_sub(readers.wait(left).await);
        }
        left
    }

    /// Returns the counters of what it refuses.
    pub(crate) fn refused(&self) -> Arc<PublishCounters> {
        Arc::clone(&self.refused)
    }

    /// Answers one request.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (begun, mut kind) = (Instant::now(), PublishKind::Single);
        let answer = match *request.method() {
            Method::POST => self.publish(request, &mut kind).await,
            _ => Err(Problem::method_not_allowed("POST")),
        };
        let answer = answer.unwrap_or_else(|problem| self.refuse(&problem));
        self.refused.count_answer(kind, answer.status(), begun);
        answer
    }

    /// Counts and logs a refusal, and makes it the answer to its request.
    pub(crate) fn refuse(&self, problem: &Problem) -> Response<Body> {
        self.note(problem);
        problem.to_response()
    }

    fn note(&self, problem: &Problem) {
        self.refused.count(problem.code);
        problem.log();
    }

    async fn publish<B>(&self, request: Request<B>, kind: &mut PublishKind) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (head, body) = request.into_parts();
        let caller = trace::of(&head.headers);
        trace::record(caller);
        self.check_phase()?;
        // Credentials come first: without them a client learns nothing more, and the server reads no body.
        let publisher = self.authorizer.identify(&head).await?;
        let (span, mut traced) = (publisher.span(), self.traces.request(&head, caller));
        trace::record(traced.trace_parent().filter(|_| caller.is_none()));
        let published = self.publish_as(&publisher, &head, body, (&mut traced, kind)).instrument(span.clone()).await;
        let response = published.unwrap_or_else(|problem| span.in_scope(|| self.refuse(&problem)));
        traced.end(response.status());
        Ok(response)
    }

    /// Publishes for an operator, who may publish everything. The sender is the system.
    pub(super) async fn publish_as_system<B>(&self, head: &Parts, body: B) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let caller = trace::of(&head.headers);
        trace::record(caller);
        self.check_phase()?;
        let mut traced = self.traces.request(head, caller);
        let published =
            self.publish_as(&Publisher::system(), head, body, (&mut traced, &mut PublishKind::Single)).await;
        traced.end(published.as_ref().map_or_else(|problem| problem.code.status(), Response::status));
        published
    }

    async fn publish_as<B>(
        &self,
        publisher: &Publisher,
        head: &Parts,
        body: B,
        (traced, kind): (&mut RequestSpan, &mut PublishKind),
    ) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (headers, rate) = (&head.headers, publisher.rate());
        self.allowances.take(&publisher.who, rate, 1, Instant::now())?;
        let asked = match Asked::read(head).and_then(|asked| self.check(asked)) {
            Ok(asked) => asked,
            Err(problem) => {
                request_body::discard(headers, body).await;
                return Err(problem);
            }
        };
        if asked.media != MediaType::Json {
            *kind = PublishKind::CloudEvent;
        }
        let body = request_body::read(headers, body, self.body).await?;
        match Content::read(asked.media, &body, self.maximum_batch_size)? {
            Content::One(value) => {
                self.wait_for_readers(READERS_WAIT).await;
                let key = asked.key.as_deref().map(GivenKey::Header);
                let published = self.publish_one(publisher, &asked, key, value, traced).await?;
                let (mut receipt, tracked) = receipts::receipt(&self.broker, published, asked.wait);
                receipts::wait_for(tracked.map(|tracked| (&mut receipt, tracked)), self.wait_timeout).await;
                let mut response = json_response(&receipt);
                *response.status_mut() = StatusCode::ACCEPTED;
                Ok(response)
            }
            Content::Many(values) => {
                if asked.media == MediaType::Json {
                    *kind = PublishKind::Batch;
                }
                // One was taken before the body was read.
                self.allowances.take(&publisher.who, rate, values.len().saturating_sub(1), Instant::now())?;
                traced.name_batch(values.len());
                Ok(self.publish_all(publisher, &asked, &values, traced).await)
            }
        }
    }

    fn check_phase(&self) -> Result<(), Problem> {
        match self.lifecycle.phase() {
            Phase::Draining => Err(Problem::new(ProblemCode::Unavailable, "the server is stopping")),
            Phase::Serving | Phase::Leaving => Ok(()),
        }
    }

    /// Identifies who asks for the history, within the limits that publishers have.
    pub(super) async fn reader(&self, head: &Parts) -> Result<Reader, Problem> {
        self.check_phase()?;
        let reader = self.authorizer.identify_reader(head).await?;
        self.allowances.take(&reader.who, reader.rate(), 1, Instant::now())?;
        Ok(reader)
    }

    /// Identifies who asks what a publish would match, within the limits that publishes have.
    pub(super) async fn publisher(&self, head: &Parts) -> Result<Publisher, Problem> {
        self.check_phase()?;
        let publisher = self.authorizer.identify(head).await?;
        self.allowances.take(&publisher.who, publisher.rate(), 1, Instant::now())?;
        Ok(publisher)
    }

    /// Refuses to wait for what this server cannot tell.
    fn check(&self, asked: Asked) -> Result<Asked, Problem> {
        let invalid = |detail: &str| Err(Problem::new(ProblemCode::InvalidWait, detail));
        match asked.wait {
            Wait::Accepted | Wait::Matched | Wait::Delivered => Ok(asked),
            Wait::Durable if self.broker.is_durable() => Ok(asked),
            Wait::Durable if self.broker.is_shared() => {
                invalid("wait: durable is possible only if the Redis of the cluster can wait for its disk (WAITAOF)")
            }
            Wait::Durable => invalid(
                "wait: durable is possible only with history.store = \"disk\", or in a cluster whose Redis can wait for its disk",
            ),
            _ => invalid("wait: expected accepted, durable, matched or delivered"),
        }
    }

    /// Publishes the items of a batch in their order, each independently of the others.
    async fn publish_all(
        &self,
        publisher: &Publisher,
        asked: &Asked,
        values: &[&RawValue],
        traced: &mut RequestSpan,
    ) -> Response<Body> {
        let mut results: Vec<Result<Receipt, Problem>> = Vec::with_capacity(values.len());
        let (mut readers_wait, mut wait) = (READERS_WAIT, self.wait_timeout);
        let (mut tracked, mut tracked_subscribers) = (VecDeque::new(), 0);
        for (item, value) in values.iter().enumerate() {
            readers_wait = self.wait_for_readers(readers_wait).await;
            let key = asked.key.as_deref().map(|key| GivenKey::Item(key, item));
            let published = self.publish_one(publisher, asked, key, value, traced).await;
            results.push(published.map(|published| {
                let (receipt, of_item) = receipts::receipt(&self.broker, published, asked.wait);
                tracked_subscribers += of_item.as_ref().map_or(0, |_| receipt.matched);
                tracked.extend(of_item.map(|of_item| (item, of_item)));
                receipt
            }));
            if tracked_subscribers > MOST_TRACKED || item + 1 == values.len() {
                tracked_subscribers = 0;
                wait = receipts::wait_for(receipts::take_tracked(&mut results, &mut tracked), wait).await;
            }
        }
        results.iter().flat_map(|result| result.as_ref().err()).for_each(|problem| self.note(problem));
        let matched: u64 = results.iter().flatten().map(|receipt| receipt.matched).sum();
        let refused = results.iter().filter(|result| result.is_err()).count();
        tracing::debug!(items = values.len(), refused, matched, "a batch was published");
        let outcomes: Vec<Outcome<'_>> = results.iter().map(Outcome::from).collect();
        json_response(&outcomes)
    }

    /// Publishes one notification. `key` is the one of the header, if there is one.
    async fn publish_one(
        &self,
        publisher: &Publisher,
        asked: &Asked,
        key: Option<GivenKey<'_>>,
        value: &RawValue,
        traced: &mut RequestSpan,
    ) -> Result<Published, Problem> {
        if asked.media == MediaType::Json {
            let body = publish_body::read(value)?;
            let start = ItemStart { event: &body.event, own: None, trace_state: None, cloud_event: None };
            let span = traced.item(&start);
            let item = Item { key, trace: span.trace_parent().or(asked.trace), body };
            return self.publish_item(publisher, asked, item, span).await;
        }
        let CloudEvent { body, source, id, trace, trace_state } = CloudEvent::read(value)?;
        let trace_state = trace_state.as_deref();
        let start = ItemStart { event: &body.event, own: trace, trace_state, cloud_event: Some((&source, &id)) };
        let item_span = traced.item(&start);
        let span = trace::span_of_item(trace, asked.trace);
        span.in_scope(|| tracing::debug!(source, id, "a CloudEvent came"));
        let key = Some(GivenKey::CloudEvent { source: &source, id: &id });
        let item = Item { key, trace: item_span.trace_parent().or(trace).or(asked.trace), body };
        let published = self.publish_item(publisher, asked, item, item_span).instrument(span).await;
        published.map_err(cloud_event::in_its_words)
    }

    async fn publish_item(
        &self,
        publisher: &Publisher,
        asked: &Asked,
        item: Item<'_>,
        span: ItemSpan,
    ) -> Result<Published, Problem> {
        let access = AccessLine::begin(publisher, asked.request.as_ref(), item.trace, &item.body);
        let published = self.publish_body(publisher, asked.wait, item).await;
        if let Some(access) = access {
            access.end(published.as_ref().map(|published| &published.receipt));
        }
        span.end(|| match &published {
            Ok(Published { receipt, .. }) => ItemEnd::Published {
                id: receipt.id.to_string(),
                position: receipt.position.to_string(),
                matched: receipt.matched,
            },
            Err(problem) => ItemEnd::Refused(problem.code.code()),
        });
        published
    }

    async fn publish_body(&self, publisher: &Publisher, wait: Wait, item: Item<'_>) -> Result<Published, Problem> {
        let Item { key, trace, mut body } = item;
        if publisher.is_system() {
            body.sender = None;
        }
        publisher.check(&body.event, body.organisation.as_deref())?;
        let sender = key.and_then(|_| body.sender.clone());
        let event = broker::event(body, &self.broker).map_err(|error| publish_body::no_event(publisher, error))?;
        let event = event.with_trace(trace);
        let name = event.name.clone();
        let idempotency = key.map(|key| key.idempotency(&publisher.who, &event, sender.as_ref()));
        let durability = if wait == Wait::Durable { Durability::Durable } else { Durability::Written };
        let tracking = if wait == Wait::Delivered { Tracking::On } else { Tracking::Off };
        let reach = match wait {
            Wait::Matched => Reach::Cluster(self.receipt_timeout),
            Wait::Delivered => Reach::Cluster(self.wait_timeout),
            _ => Reach::Node,
        };
        let options = PublishOptions { idempotency, durability, tracking, reach };
        let published = self.broker.publish_with(event, options).await.map_err(|error| match error {
            PublishError::Catalogue(error) => publisher.unknown_event("e", error),
            PublishError::Name(error) => Problem::new(ProblemCode::InvalidMember, error.to_string()),
            PublishError::Payload(error) => Problem::new(ProblemCode::InvalidPayload, format!("p: {error}")),
            PublishError::KeyReused => idempotency::reused(key),
            PublishError::NotDurable => Problem::new(ProblemCode::InvalidWait, format!("wait: {error}")),
            PublishError::Unavailable(error) => Problem::new(ProblemCode::HistoryUnavailable, error.to_string()),
            PublishError::Shared(error @ SharedPublishError::TooManyNames) => {
                Problem::new(ProblemCode::TooManyEvents, error.to_string())
            }
            PublishError::Shared(error @ SharedPublishError::Unknown) => {
                Problem::new(ProblemCode::PublishUnknown, error.to_string())
            }
            PublishError::Shared(error) => Problem::new(ProblemCode::BackplaneUnavailable, error.to_string()),
            error => Problem::new(ProblemCode::Unavailable, error.to_string()),
        });
        published.inspect(|Published { receipt, .. }| {
            let (event, position, matched) = (name.as_str(), receipt.position, receipt.matched);
            match receipt.repeat {
                Repeat::No => {
                    publisher.count_published();
                    tracing::debug!(event, %position, matched, "an event was published");
                }
                Repeat::Yes => tracing::debug!(event, %position, "a publish was repeated, and nothing was published"),
            }
        })
    }
}

#[cfg(test)]
mod tests;
