//! The responses of an endpoint that carry no messages.

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPIRES, HeaderValue, PRAGMA, RETRY_AFTER,
};
use http::{Response, StatusCode};

use crate::http::body::Body;
use crate::limits::limit::Limit;
use crate::transport_kind::TransportKind;

/// After how many seconds a client that was refused may try again.
const RETRY: HeaderValue = HeaderValue::from_static("5");

/// Refuses a request that exceeds a limit.
pub(crate) fn refuse(limit: Limit) -> Response<Body> {
    let mut response = text(limit.status(), "");
    if limit != Limit::ForeignOrigin {
        response.headers_mut().insert(RETRY_AFTER, RETRY);
    }
    response
}

pub(crate) fn unknown() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "No Connection with that ID")
}

pub(crate) fn not_offered(kind: TransportKind) -> Response<Body> {
    text(StatusCode::NOT_FOUND, &format!("{} transport not supported by this end point type", kind.name()))
}

/// Refuses a request whose body has a `Content-Encoding` (RFC 9110, section 15.5.16).
pub(crate) fn unsupported_coding(coding: &str) -> Response<Body> {
    let detail = format!("unsupported_encoding: the body must come without Content-Encoding, found \"{coding}\"");
    let mut response = text(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail);
    response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    response
}

/// Refuses a malformed request. As in the original, the answer to `HEAD` also has a `Content-Length`.
pub(crate) fn malformed() -> Response<Body> {
    let mut response = empty(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    body(status, "")
}

pub(crate) fn body(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

pub(crate) fn text(status: StatusCode, content: &str) -> Response<Body> {
    let mut response = body(status, content);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The body of an answer to a poll.
pub(crate) fn octets(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// Adds the headers with which the original forbids caching of polls.
pub(crate) fn no_cache(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
    response
}
