//! Whether the server is alive, and whether it is ready for new connections.

use http::{Method, Response};
use serde::Serialize;
use signalhub::connections::Body;

use super::method::read_only;
use super::problem::{Problem, ProblemCode};
use super::response::json_response;
use crate::lifecycle::Phase;

/// The path on the public listener.
pub(crate) const PATH: &str = "/health";

/// The path that tells whether the server is alive.
pub(crate) const LIVE_PATH: &str = "/health/live";

/// The path that tells whether the server should get new connections.
pub(crate) const READY_PATH: &str = "/health/ready";

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Answers whether the server is alive: it is if it can answer.
pub(crate) fn live(method: &Method) -> Result<Response<Body>, Problem> {
    read_only(method, || json_response(&Health { status: "ok" }))
}

/// Answers whether the server is ready: it is not once it is about to stop, or while it cannot serve new connections: `unready` tells
/// why.
pub(crate) fn ready(
    method: &Method,
    phase: Phase,
    unready: impl FnOnce() -> Option<String>,
) -> Result<Response<Body>, Problem> {
    read_only(method, || match phase {
        Phase::Serving => match unready() {
            None => json_response(&Health { status: "ok" }),
            Some(detail) => Problem::new(ProblemCode::Unavailable, detail).to_response(),
        },
        Phase::Leaving | Phase::Draining => {
            Problem::new(ProblemCode::Unavailable, "the server is stopping").to_response()
        }
    })
}
