//! Answers with JSON.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde::Serialize;
use signalhub::connections::Body;

/// Answers with JSON, ended by a line break so that a terminal shows it on a line of its own.
pub(crate) fn json_response(body: &impl Serialize) -> Response<Body> {
    let mut json = serde_json::to_vec(body).expect("numbers and texts always serialise");
    json.push(b'\n');
    let mut response = Response::new(json.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
