//! The request of an event stream.

use std::sync::Arc;

use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, PRAGMA};
use http::request::Parts;

use super::requests::attach_inbox;
use crate::auth::identity::Identity;
use crate::http::body::Body;
use crate::http::mounted::Mounted;
use crate::registry::Link;
use crate::transport::server_sent_events::EventStream;
use crate::transport_kind::TransportKind;

/// Answers the request of an event stream.
pub(super) fn connect(mounted: &Mounted, head: &Parts, identity: Arc<Identity>) -> Response<Body> {
    let kind = TransportKind::ServerSentEvents;
    let token = match mounted.find_connection(head, &identity, kind) {
        Ok(found) => found.token,
        Err(response) => return response,
    };
    let attached = attach_inbox(mounted, &token, head, identity, kind, |inbox| Link::Events(Arc::clone(inbox)));
    let inbox = match attached {
        Ok(inbox) => inbox,
        Err(error) => return mounted.refuse_attach(error, head),
    };
    let mut response = Response::new(Body::events(EventStream::new(inbox)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    // Without it, nginx buffers the first event, and the client never gets the response to its handshake.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
