//! Answers requests for which the code of an application panics.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe};

use futures_util::FutureExt;
use http::{Response, StatusCode};

use crate::http::answers;
use crate::http::body::Body;

/// Awaits a future that runs code of an application. If it panics, the error is the answer: 500.
pub(crate) async fn catch<T>(future: impl Future<Output = T>) -> Result<T, Response<Body>> {
    // What a panic interrupts is dropped, and the locks of this crate ignore poisoning.
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_| failed())
}

/// Calls a function of an application. If it panics, the error is the answer: 500.
#[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
pub(crate) fn catch_call<T>(call: impl FnOnce() -> T) -> Result<T, Response<Body>> {
    panic::catch_unwind(AssertUnwindSafe(call)).map_err(|_| failed())
}

/// The text of the panic is for the panic hook of the program. It may contain secrets, so it is neither sent nor logged.
fn failed() -> Response<Body> {
    tracing::error!("the code of the application panicked, so the request was answered with 500");
    answers::empty(StatusCode::INTERNAL_SERVER_ERROR)
}
