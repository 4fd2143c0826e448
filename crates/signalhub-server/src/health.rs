//! Whether the server is alive.

use http::{Method, Response};
use serde::Serialize;
use signalhub::connections::Body;

use crate::publish_api::problem::{Problem, json_response};

/// Where it is.
pub(crate) const PATH: &str = "/health";

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Answers one request: whoever can answer is alive.
pub(crate) fn answer(method: &Method) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Problem::method_not_allowed("GET, HEAD");
    }
    json_response(&Health { status: "ok" })
}
