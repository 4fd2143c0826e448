//! Request ids, which connect a response with the lines of the log.

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;
use tracing::field::{DisplayValue, display};

use crate::request::remote_address::RemoteAddress;

/// The maximum length of an id that a client chose.
const LONGEST: usize = 128;

/// The id of a request, by which its client can find it in the log: the client's own id, or a random one.
///
/// The server adds it to the extensions of a request that is not for an endpoint.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The header of requests and responses that contains the id.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// Uses the id that a client sent, if it has 1 to 128 visible ASCII characters; otherwise makes a random one.
    pub fn of(headers: &HeaderMap) -> Self {
        let sane =
            |id: &&HeaderValue| (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
        Self(headers.get(Self::HEADER).filter(sane).cloned().unwrap_or_else(random))
    }

    /// The id as a value of the header [`HEADER`](Self::HEADER).
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

fn random() -> HeaderValue {
    // The id is only for the log. Without random bytes, requests have equal ids and are still answered.
    let number = getrandom::u64().unwrap_or_default();
    HeaderValue::from_str(&format!("{number:016x}")).expect("hexadecimal digits may stand in a header")
}

/// The span of a request to an endpoint, and of the connection that it opens. It exists only if debug logs are enabled.
pub(crate) fn span(head: &Parts) -> Span {
    tracing::debug_span!("request", request_id = %RequestId::of(&head.headers), address = address(head), method = %head.method)
}

/// The address that a request comes from, for the log.
pub(crate) fn address(head: &Parts) -> Option<DisplayValue<RemoteAddress>> {
    head.extensions.get().copied().map(display)
}
