//! Which methods a route allows.

use http::{Method, Response};
use signalhub::connections::Body;

use super::problem::Problem;

/// Answers a route that is only read: other methods than GET and HEAD are refused.
pub(super) fn read_only(method: &Method, answer: impl FnOnce() -> Response<Body>) -> Result<Response<Body>, Problem> {
    match *method {
        Method::GET | Method::HEAD => Ok(answer()),
        _ => Err(Problem::method_not_allowed("GET, HEAD")),
    }
}
