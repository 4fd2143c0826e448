//! Reads the body of a publish request, within its bounds.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::problem::{Problem, ProblemCode};
use crate::configuration::ByteSize;

/// How long a body may take, so that nobody holds a connection open for nothing.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Of a body that is too large, so much more is read, and for so long.
const MOST_DISCARDED: usize = 16 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Refuses what is not JSON. A request without a content type is taken as JSON: there is nothing else here.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let detail = match &*essence {
        "application/json" => return Ok(()),
        "application/cloudevents+json" | "application/cloudevents-batch+json" => {
            "CloudEvents are not supported yet: expected one notification with Content-Type: application/json"
                .to_owned()
        }
        other => format!("expected Content-Type: application/json, found \"{other}\""),
    };
    Err(Problem::new(ProblemCode::UnsupportedMediaType, detail))
}

/// Reads a body of no more than `limit`; of a longer one, no more than that is read.
pub(super) async fn read(headers: &HeaderMap, mut body: Incoming, limit: ByteSize) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(ProblemCode::BodyTooLarge, format!("a body may have {limit} (publish.maximum_body_size)"));
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit.bytes()) {
        discard(headers, body).await;
        return Err(too_large());
    }
    match timeout(TIMEOUT, Limited::new(&mut body, limit.bytes()).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(headers, body).await;
            Err(too_large())
        }
        Ok(Err(error)) => Err(Problem::new(ProblemCode::IncompleteBody, error.to_string())),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", TIMEOUT.as_secs());
            Err(Problem::new(ProblemCode::BodyTimeout, detail))
        }
    }
}

/// Reads on for a moment and forgets it: many clients only look for an answer when they have sent everything, and would
/// see a broken connection instead. One that waits for leave to send (`Expect`) gets its answer before it has sent any.
async fn discard(headers: &HeaderMap, body: Incoming) {
    if !headers.contains_key(EXPECT) {
        let mut rest = Limited::new(body, MOST_DISCARDED);
        let reading = async { while let Some(Ok(_)) = rest.frame().await {} };
        let _ = timeout(DISCARD_TIMEOUT, reading).await;
    }
}
