//! The id by which a request is found in the log.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use signalhub::connections::Body;
use tracing::Instrument;

/// Where it stands, in requests and in answers.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A longer one is not taken over.
const LONGEST: usize = 128;

/// The id of one request.
#[derive(Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Takes the id that a client gave, if it is one of visible ASCII and not too long, or makes one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sane =
            |id: &&HeaderValue| (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
        Self(headers.get(HEADER).filter(sane).cloned().unwrap_or_else(random))
    }

    /// Puts the id into the log lines of an answer, and into the answer.
    pub(crate) async fn accompany(self, answer: impl Future<Output = Response<Body>>) -> Response<Body> {
        let span = tracing::info_span!("request", id = self.0.to_str().unwrap_or_default());
        let mut response = answer.instrument(span).await;
        response.headers_mut().insert(HEADER, self.0);
        response
    }
}

fn random() -> HeaderValue {
    // An id only has to be found again: without random bytes, requests look alike and are answered all the same.
    let number = getrandom::u64().unwrap_or_default();
    HeaderValue::from_str(&format!("{number:016x}")).expect("hexadecimal digits may stand in a header")
}
