//! The publish API: one notification in, a receipt or a problem out.

mod authorize;
mod body;
mod notification;
pub(crate) mod problem;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use signalhub::BearerToken;
use signalhub::connections::Body;
use signalhub::events::{Broker, PublishError, Receipt};

use crate::configuration::{ByteSize, Publish};
use authorize::Authorizer;
use notification::Notification;
use problem::{Problem, ProblemCode, json_response};

/// Where it is.
pub(crate) const PATH: &str = "/api/v1/publish";

/// Takes notifications for a broker.
#[derive(Debug)]
pub(crate) struct PublishApi {
    broker: Broker,
    authorizer: Authorizer,
    limit: ByteSize,
}

impl PublishApi {
    pub(crate) fn new(broker: Broker, bearer: BearerToken, settings: &Publish) -> Self {
        let authorizer = Authorizer::new(settings.keys.clone(), bearer);
        Self { broker, authorizer, limit: settings.maximum_body_size }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.method() != Method::POST {
            return Problem::method_not_allowed("POST");
        }
        match self.publish(request).await {
            Ok(receipt) => accepted(&receipt),
            Err(problem) => {
                tracing::debug!(code = ?problem.code, detail = problem.detail, "a publish was refused");
                problem.into_response()
            }
        }
    }

    async fn publish(&self, request: Request<Incoming>) -> Result<Receipt, Problem> {
        let (head, body) = request.into_parts();
        // Credentials come first, so that nobody without them learns more or makes the server read a body.
        let publisher = self.authorizer.identify(&head)?;
        body::check_content_type(&head.headers)?;
        let body = body::read(&head.headers, body, self.limit).await?;
        let notification = Notification::read(&body)?;
        publisher.check(&notification.event, notification.organisation.as_deref())?;
        let event = notification.into_event(&self.broker)?;
        self.broker.publish(event).await.map_err(|error| match error {
            PublishError::Catalogue(error) => Problem::new(ProblemCode::UnknownEvent, format!("e: {error}")),
            error => Problem::new(ProblemCode::Unavailable, error.to_string()),
        })
    }
}

/// What became of a notification.
#[derive(Serialize)]
struct Accepted {
    id: String,
    position: String,
    matched: usize,
    duplicate: bool,
}

fn accepted(receipt: &Receipt) -> Response<Body> {
    let mut response = json_response(&Accepted {
        id: receipt.id.to_string(),
        position: receipt.position.to_string(),
        matched: receipt.matched,
        duplicate: false,
    });
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
