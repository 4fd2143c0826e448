//! The id by which a request is found in the log.

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;
use tracing::field::{DisplayValue, display};

use crate::request::remote_address::RemoteAddress;

/// A longer one is not taken over.
const LONGEST: usize = 128;

/// The id by which a request is found in the log, and its client finds it there: the client's own, or a random one.
///
/// The server puts it among the extensions of a request that is for none of its endpoints.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Where it stands, in requests and in answers.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// Takes the id that a client gave, if it is one of at most 128 visible ASCII characters, or makes one.
    pub fn of(headers: &HeaderMap) -> Self {
        let sane =
            |id: &&HeaderValue| (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
        Self(headers.get(Self::HEADER).filter(sane).cloned().unwrap_or_else(random))
    }

    /// The value of the header.
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
    // An id only has to be found again: without random bytes, requests look alike and are answered all the same.
    let number = getrandom::u64().unwrap_or_default();
    HeaderValue::from_str(&format!("{number:016x}")).expect("hexadecimal digits may stand in a header")
}

/// The span of a request to an endpoint, and of the connection that it begins. Only debugging pays for it.
pub(crate) fn span(head: &Parts) -> Span {
    tracing::debug_span!("request", id = %RequestId::of(&head.headers), address = address(head), method = %head.method)
}

/// Where a request comes from, for the log.
pub(crate) fn address(head: &Parts) -> Option<DisplayValue<RemoteAddress>> {
    head.extensions.get().copied().map(display)
}
