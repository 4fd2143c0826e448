//! Refuses requests. Each refusal is counted, and logged within the span of the request.

use std::fmt::Display;

use http::Response;
use http::header::{HeaderValue, ORIGIN};
use http::request::Parts;

use crate::counts::client_errors::ClientError;
use crate::http::answers;
use crate::http::body::Body;
use crate::http::origins::CorsHeaders;
use crate::limits::limit::Limit;
use crate::registry::Registry;

/// Refuses a request that is beyond a limit.
pub(crate) fn refuse_limit(registry: &Registry, limit: Limit) -> Response<Body> {
    registry.refusals().count(limit);
    tracing::debug!(reason = limit.label(), status = limit.status().as_u16(), "a request was refused");
    answers::refuse(limit)
}

/// Refuses a request because of an error of its client.
pub(crate) fn refuse_error(
    registry: &Registry,
    error: ClientError,
    detail: impl Display,
    response: Response<Body>,
) -> Response<Body> {
    registry.client_errors().count(error, 1);
    let status = response.status().as_u16();
    tracing::debug!(reason = error.label(), %detail, status, "a request was refused");
    response
}

/// Refuses a request of a web page of another origin with the given response.
pub(crate) fn refuse_page(registry: &Registry, head: &Parts, answer: Response<Body>) -> Response<Body> {
    count_foreign(registry, head.headers.get(ORIGIN), "a page of another origin was refused");
    answer
}

/// Adds the headers that let a page read a response. A response that the page cannot read is counted and logged.
pub(crate) fn add_cors_headers(
    registry: &Registry,
    cors: Option<&CorsHeaders>,
    mut answer: Response<Body>,
) -> Response<Body> {
    let Some(cors) = cors else { return answer };
    cors.write(answer.headers_mut());
    // A refused request was logged before.
    if cors.foreign().is_some() && !answer.status().is_client_error() && !answer.status().is_server_error() {
        count_foreign(registry, cors.foreign(), "a page of another origin cannot see the answer");
    }
    answer
}

fn count_foreign(registry: &Registry, origin: Option<&HeaderValue>, what: &str) {
    let limit = Limit::ForeignOrigin;
    registry.refusals().count(limit);
    let origin = origin.map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    tracing::debug!(reason = limit.label(), origin = origin.as_deref(), "{what}");
}
