//! Headers that an application adds to the answers of an endpoint.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VARY,
};
use http::request::Parts;

/// Headers that determine how an answer is read. An application cannot set them.
const FRAMING: [HeaderName; 12] = [
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    DATE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_PROTOCOL,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

type Add = dyn Fn(&Parts, &mut HeaderMap) + Send + Sync;

/// The function with which an application adds headers to each answer of an endpoint.
#[derive(Clone)]
pub(crate) struct AddedHeaders(Arc<Add>);

impl AddedHeaders {
    pub(crate) fn new(add: impl Fn(&Parts, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        Self(Arc::new(add))
    }

    /// Adds headers to the answer to this request. Headers that the endpoint has set, and those of [`FRAMING`], are not
    /// added.
    pub(crate) fn add(&self, request: &Parts, answer: &mut HeaderMap) {
        let mut added = HeaderMap::new();
        (self.0)(request, &mut added);
        let own: Vec<HeaderName> = answer.keys().filter(|name| **name != VARY).cloned().collect();
        for name in added.keys() {
            if FRAMING.contains(name) || own.contains(name) {
                tracing::warn!(%name, "a header was not added to an answer, because the endpoint sets it");
                continue;
            }
            for value in added.get_all(name) {
                answer.append(name, value.clone());
            }
        }
    }
}

impl fmt::Debug for AddedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddedHeaders(..)")
    }
}
