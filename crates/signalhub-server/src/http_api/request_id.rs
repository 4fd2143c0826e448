//! The id of a request, which stands in the log and in the answer.

use http::{Request, Response};
use signalhub::connections::{Body, RequestBody, RequestId};

/// Returns the id under which the server logs a request.
pub(super) fn of(request: &Request<RequestBody>) -> Option<RequestId> {
    request.extensions().get().cloned()
}

/// Tells the client the id of its request.
pub(super) fn attach(id: Option<RequestId>, mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().extend(id.map(|id| (RequestId::HEADER, id.to_header())));
    response
}
