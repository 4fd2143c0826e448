//! What is not a hub, on each listener.

use std::sync::Arc;

use http::{Request, Response};
use signalhub::connections::{Body, BoxFuture, RequestBody, RequestId, Respond};

use crate::counts::Counts;
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;
use crate::publish_api::problem::{Problem, ProblemCode};
use crate::publish_api::{self, PublishApi};
use crate::{health, metrics, open_api};

/// The pages of the public listener.
#[derive(Debug)]
pub(crate) struct PublicPages {
    publish: PublishApi,
}

/// The pages of the internal listener.
#[derive(Debug)]
pub(crate) struct InternalPages {
    lifecycle: Lifecycle,
    metrics: Metrics,
    counts: Counts,
}

impl PublicPages {
    pub(crate) fn new(publish: PublishApi) -> Self {
        Self { publish }
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let answer = match request.uri().path() {
            publish_api::PATH => return self.publish.answer(request).await,
            open_api::PATH => health::get(request.method(), open_api::response),
            health::PATH => health::live(request.method()),
            _ => not_found("the hub, the publish API, /openapi.json and /health have other paths"),
        };
        answer.unwrap_or_else(|problem| self.publish.refuse(&problem))
    }
}

impl InternalPages {
    pub(crate) fn new(lifecycle: Lifecycle, counts: Counts) -> Self {
        Self { lifecycle, metrics: Metrics::new(counts.clone()), counts }
    }

    fn answer(&self, request: &Request<RequestBody>) -> Response<Body> {
        let answer = match request.uri().path() {
            health::LIVE_PATH => health::live(request.method()),
            health::READY_PATH => health::ready(request.method(), self.lifecycle.phase()),
            metrics::PATH => health::get(request.method(), || self.metrics.response()),
            _ => not_found("the internal listener has /health/live, /health/ready and /metrics"),
        };
        answer.unwrap_or_else(|problem| {
            self.counts.count_problem(problem.code);
            problem.log();
            problem.to_response()
        })
    }
}

impl Respond for PublicPages {
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        let id = request_id(&request);
        Box::pin(async move { identified(id, self.answer(request).await) })
    }
}

impl Respond for InternalPages {
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        let id = request_id(&request);
        Box::pin(async move { identified(id, self.answer(&request)) })
    }
}

/// The id under which the server logs a request.
fn request_id(request: &Request<RequestBody>) -> Option<RequestId> {
    request.extensions().get().cloned()
}

/// Tells the client the id of its request.
fn identified(id: Option<RequestId>, mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().extend(id.map(|id| (RequestId::HEADER, id.to_header())));
    response
}

fn not_found(detail: &str) -> Result<Response<Body>, Problem> {
    Err(Problem::new(ProblemCode::NotFound, detail))
}
