//! One request of the admin API, as its routes see it.

use http::request::Parts;
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use signalhub::connections::{Body, RequestBody};

use crate::http_api::parameters::Parameters;
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::request_body::{self, BodyLimits};

/// What a route answers.
pub(super) type Answer = Result<Response<Body>, Problem>;

/// A request that may do what it asks for.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) head: Parts,
    pub(super) body: RequestBody,
    /// What stands in the path for the parameter of the route; empty if the route has none.
    pub(super) parameter: String,
    pub(super) limits: BodyLimits,
}

impl Call {
    /// The parameters of the query.
    pub(super) fn query(&self) -> Parameters {
        Parameters::of(&self.head.uri)
    }

    /// Reads the body as JSON.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, Problem> {
        let body = request_body::read(&self.head.headers, self.body, self.limits).await?;
        serde_json::from_slice(&body).map_err(|error| {
            let code = match error.classify() {
                Category::Data => ProblemCode::InvalidMember,
                Category::Io | Category::Syntax | Category::Eof => ProblemCode::InvalidJson,
            };
            Problem::new(code, error.to_string())
        })
    }
}

/// The answer of a route that has done what was asked for, and has nothing to tell.
pub(super) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
