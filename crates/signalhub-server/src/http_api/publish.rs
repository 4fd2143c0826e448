//! The publish API: accepts notifications, and answers with receipts or problems.

mod api_clients;
pub(crate) mod authorize;
pub(crate) mod cloud_event;
pub(crate) mod content;
pub(crate) mod publish_body;
mod rate;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as HttpBody;
use portos_notifications::{PublishBody, Receipt, broker};
use serde::Serialize;
use serde_json::value::RawValue;
use signalhub::connections::{Body, Readers};
use signalhub::events::{self, Broker, PublishError};
use tokio::time::Instant;
use tracing::Instrument;

use super::counts::PublishCounters;
use super::problem::{Details, Problem, ProblemCode};
use super::request_body::{self, BodyLimits, BoxError};
use super::response::json_response;
use crate::configuration::Publish;
use crate::lifecycle::{Lifecycle, Phase};
use authorize::{Authorizer, Publisher};
use cloud_event::CloudEvent;
use content::{Content, MediaType};

use rate::Allowances;

/// The path of the publish API.
pub(crate) const PATH: &str = "/api/v1/publish";

/// How long a request waits at most for clients that read and are far behind.
const READERS_WAIT: Duration = Duration::from_secs(1);

/// Accepts notifications for a broker.
#[derive(Debug)]
pub(crate) struct PublishApi {
    broker: Broker,
    authorizer: Authorizer,
    allowances: Allowances,
    body: BodyLimits,
    maximum_batch_size: usize,
    lifecycle: Lifecycle,
    refused: Arc<PublishCounters>,
    readers: Vec<Readers>,
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
            lifecycle,
            readers: Vec::new(),
        }
    }

    /// Sets the clients that a burst waits for.
    pub(crate) fn waiting_for(self, readers: Vec<Readers>) -> Self {
        Self { readers, ..self }
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
        let answer = match *request.method() {
            Method::POST => self.publish(request).await,
            _ => Err(Problem::method_not_allowed("POST")),
        };
        answer.unwrap_or_else(|problem| self.refuse(&problem))
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

    async fn publish<B>(&self, request: Request<B>) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        if self.lifecycle.phase() == Phase::Draining {
            return Err(Problem::new(ProblemCode::Unavailable, "the server is stopping"));
        }
        let (head, body) = request.into_parts();
        // Credentials come first: without them a client learns nothing more, and the server reads no body.
        let publisher = self.authorizer.identify(&head).await?;
        let span = publisher.span();
        let published = self.publish_as(&publisher, &head, body).instrument(span.clone()).await;
        Ok(published.unwrap_or_else(|problem| span.in_scope(|| self.refuse(&problem))))
    }

    async fn publish_as<B>(&self, publisher: &Publisher, head: &Parts, body: B) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let (headers, rate) = (&head.headers, publisher.rate());
        self.allowances.take(&publisher.who, rate, 1, Instant::now())?;
        let media = match MediaType::of(headers) {
            Ok(media) => media,
            Err(problem) => {
                request_body::discard(headers, body).await;
                return Err(problem);
            }
        };
        let body = request_body::read(headers, body, self.body).await?;
        match Content::read(media, &body, self.maximum_batch_size)? {
            Content::One(value) => {
                self.wait_for_readers(READERS_WAIT).await;
                let receipt = self.publish_one(publisher, media, value).await?;
                let mut response = json_response(&broker::receipt(&receipt));
                *response.status_mut() = StatusCode::ACCEPTED;
                Ok(response)
            }
            Content::Many(values) => {
                // One was taken before the body was read.
                self.allowances.take(&publisher.who, rate, values.len().saturating_sub(1), Instant::now())?;
                Ok(self.publish_all(publisher, media, &values).await)
            }
        }
    }

    /// Publishes the items of a batch in their order, each independently of the others.
    async fn publish_all(&self, publisher: &Publisher, media: MediaType, values: &[&RawValue]) -> Response<Body> {
        let mut results = Vec::with_capacity(values.len());
        let mut wait = READERS_WAIT;
        for value in values {
            wait = self.wait_for_readers(wait).await;
            results.push(self.publish_one(publisher, media, value).await);
        }
        results.iter().flat_map(|result| result.as_ref().err()).for_each(|problem| self.note(problem));
        let matched: usize = results.iter().flatten().map(|receipt| receipt.matched).sum();
        let refused = results.iter().filter(|result| result.is_err()).count();
        tracing::debug!(items = values.len(), refused, matched, "a batch was published");
        let outcomes: Vec<Outcome<'_>> = results.iter().map(Outcome::from).collect();
        json_response(&outcomes)
    }

    async fn publish_one(
        &self,
        publisher: &Publisher,
        media: MediaType,
        value: &RawValue,
    ) -> Result<events::Receipt, Problem> {
        if media == MediaType::Json {
            return self.publish_body(publisher, publish_body::read(value)?).await;
        }
        let CloudEvent { body, source, id } = CloudEvent::read(value)?;
        tracing::debug!(source, id, "a CloudEvent came");
        self.publish_body(publisher, body).await.map_err(cloud_event::in_its_words)
    }

    async fn publish_body(&self, publisher: &Publisher, body: PublishBody) -> Result<events::Receipt, Problem> {
        publisher.check(&body.event, body.organisation.as_deref())?;
        let event = broker::event(body, &self.broker).map_err(|error| publish_body::no_event(publisher, error))?;
        let name = event.name.clone();
        let published = self.broker.publish(event).await.map_err(|error| match error {
            PublishError::Catalogue(error) => publisher.unknown_event(error),
            PublishError::Name(error) => Problem::new(ProblemCode::InvalidMember, error.to_string()),
            PublishError::Payload(error) => Problem::new(ProblemCode::InvalidPayload, format!("p: {error}")),
            error => Problem::new(ProblemCode::Unavailable, error.to_string()),
        });
        published.inspect(|receipt| {
            publisher.count_published();
            let events::Receipt { position, matched, .. } = receipt;
            tracing::debug!(event = name.as_str(), %position, matched, "an event was published");
        })
    }
}

/// The result of an item of a batch.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Accepted(Receipt),
    Refused(Details<'a>),
}

impl<'a> From<&'a Result<events::Receipt, Problem>> for Outcome<'a> {
    fn from(result: &'a Result<events::Receipt, Problem>) -> Self {
        match result {
            Ok(receipt) => Self::Accepted(broker::receipt(receipt)),
            Err(problem) => Self::Refused(problem.details()),
        }
    }
}

#[cfg(test)]
mod tests;
