//! Reads the body of a request, within its limits.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as HttpBody;
use signalhub::connections::BodyError;
use tokio::time::timeout;

use super::problem::{Problem, ProblemCode};
use crate::configuration::ByteSize;

/// How many more bytes of a body that is too large are read, and for how long.
const MOST_DISCARDED: usize = 16 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// An error while a body is read.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a body may be and may take, and which configuration keys say so. A limit without a key is named by where it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    pub(super) size: ByteSize,
    pub(super) size_of: &'static str,
    pub(super) time: Duration,
    pub(super) time_of: &'static str,
}

/// Reads a body within its limits.
pub(super) async fn read<B>(headers: &HeaderMap, mut body: B, limits: BodyLimits) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let BodyLimits { size: limit, size_of, time, time_of } = limits;
    let too_large = || Problem::new(ProblemCode::BodyTooLarge, format!("a body may have {limit} ({size_of})"));
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit.bytes()) {
        discard(headers, body).await;
        return Err(too_large());
    }
    match timeout(time, Limited::new(&mut body, limit.bytes()).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(headers, body).await;
            Err(too_large())
        }
        Ok(Err(error)) => {
            let overdue = matches!(error.downcast_ref::<BodyError>(), Some(BodyError::Overdue));
            let code = if overdue { ProblemCode::BodyTimeout } else { ProblemCode::IncompleteBody };
            Err(Problem::new(code, error.to_string()))
        }
        Err(_) => {
            let detail = format!("the body did not arrive within {time:?} ({time_of})");
            Err(Problem::new(ProblemCode::BodyTimeout, detail))
        }
    }
}

/// Reads and drops the rest for a moment: many clients read the answer only when they have sent everything, and would see a broken
/// connection instead. A client that waits for permission to send (`Expect`) gets the answer before it has sent anything.
pub(super) async fn discard<B>(headers: &HeaderMap, body: B)
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if !headers.contains_key(EXPECT) {
        let mut rest = Limited::new(body, MOST_DISCARDED);
        let reading = async { while let Some(Ok(_)) = rest.frame().await {} };
        let _ = timeout(DISCARD_TIMEOUT, reading).await;
    }
}
