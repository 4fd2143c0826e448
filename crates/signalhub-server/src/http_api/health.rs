//! Whether the server is alive, and whether it wants more to do.

use http::{Method, Response};
use serde::Serialize;
use signalhub::connections::Body;

use super::method::read_only;
use super::problem::{Problem, ProblemCode};
use super::response::json_response;
use crate::lifecycle::Phase;

/// Where it is on the public listener.
pub(crate) const PATH: &str = "/health";

/// Where it is told whether the server is alive.
pub(crate) const LIVE_PATH: &str = "/health/live";

/// Where it is told whether the server should get new connections.
pub(crate) const READY_PATH: &str = "/health/ready";

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Answers one request: whoever can answer is alive.
pub(crate) fn live(method: &Method) -> Result<Response<Body>, Problem> {
    read_only(method, || json_response(&Health { status: "ok" }))
}

/// Answers one request: a server that is about to end wants nothing new.
pub(crate) fn ready(method: &Method, phase: Phase) -> Result<Response<Body>, Problem> {
    read_only(method, || match phase {
        Phase::Serving => json_response(&Health { status: "ok" }),
        Phase::Leaving | Phase::Draining => {
            Problem::new(ProblemCode::Unavailable, "the server is stopping").to_response()
        }
    })
}
