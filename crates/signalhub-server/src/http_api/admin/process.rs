//! `POST /admin/api/v1/reload` and `POST /admin/api/v1/drain`: what signals do as well.

use std::sync::Arc;

use http::{Response, StatusCode};
use signalhub::connections::Body;

use super::call::{Answer, Call};
use super::operated::Operated;

/// Reads certificates and keys again, as SIGHUP does.
pub(super) async fn reload(operated: Arc<Operated>, _: Call) -> Answer {
    tracing::info!("an operator has certificates and keys read again");
    operated.reload.send();
    Ok(accepted())
}

/// Begins what SIGTERM begins, without ending the process: new connections are refused, and the live ones are closed.
pub(super) async fn drain(operated: Arc<Operated>, _: Call) -> Answer {
    tracing::info!("an operator drains the server");
    operated.drain.send();
    Ok(accepted())
}

fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
