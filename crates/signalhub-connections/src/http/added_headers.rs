//! Headers that an application adds to the answers of an endpoint.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VARY,
};
use http::request::Parts;
use tokio::time::Instant;

use crate::rate::{Rate, TokenBucket};

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
pub(crate) struct AddedHeaders {
    add: Box<Add>,
    /// Limits the warnings, which each request could cause.
    warnings: Mutex<TokenBucket>,
}

impl AddedHeaders {
    pub(crate) fn new(add: impl Fn(&Parts, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        let warnings = Mutex::new(TokenBucket::new(Rate::per_second(1), Instant::now()));
        Self { add: Box::new(add), warnings }
    }

    /// Adds headers to the answer to this request. Headers that the endpoint has set, and those of [`FRAMING`], are not
    /// added.
    pub(crate) fn add(&self, request: &Parts, answer: &mut HeaderMap) {
        let mut added = HeaderMap::new();
        (self.add)(request, &mut added);
        let own: Vec<HeaderName> = answer.keys().filter(|name| **name != VARY).cloned().collect();
        let mut refused = Vec::new();
        for name in added.keys() {
            if FRAMING.contains(name) || own.contains(name) {
                refused.push(name.as_str());
                continue;
            }
            for value in added.get_all(name) {
                answer.append(name, value.clone());
            }
        }
        if !refused.is_empty() {
            self.log_refused(&refused.join(", "));
        }
    }

    /// Logs one warning a second at most. The same headers are usually refused for every request.
    fn log_refused(&self, names: &str) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.take(1, Instant::now()).is_ok() {
            tracing::warn!(names, "headers were not added to an answer, because the endpoint sets them");
        } else {
            tracing::debug!(names, "headers were not added to an answer, because the endpoint sets them");
        }
    }
}

impl fmt::Debug for AddedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddedHeaders(..)")
    }
}
