//! `POST {path}/refresh`: new credentials for a connection (aspnetcore#67111).

use std::time::SystemTime;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::json;
use crate::auth::identity::{Identity, Principal};
use crate::counts::client_errors::ClientError;
use crate::http::access_rules::Refusal;
use crate::http::answers::text;
use crate::http::body::Body;
use crate::http::mounted::{Mounted, token};

/// The answer to a refresh.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refreshed {
    #[serde(skip_serializing_if = "Option::is_none")]
    token_lifetime_seconds: Option<u64>,
}

/// The body of a refused refresh.
#[derive(Serialize)]
struct Refused {
    error: &'static str,
    error_description: &'static str,
}

/// How many seconds the credentials of a client are still valid, as it is told; `None` if they do not expire.
pub(super) fn lifetime(identity: &Identity) -> Option<u64> {
    identity.lifetime_seconds(SystemTime::now())
}

/// Verifies the credentials of a request, and gives them to the connection that it names. If anything is wrong, the connection
/// keeps those that it has.
pub(super) async fn refresh(mounted: &Mounted, head: &Parts) -> Response<Body> {
    if head.method != Method::POST {
        let response = text(StatusCode::METHOD_NOT_ALLOWED, "");
        return mounted.reject(ClientError::MethodNotAllowed, "the path takes other methods", response);
    }
    let identity = match mounted.admit_renewal(head).await {
        Ok(identity) => identity,
        Err(refusal @ Refusal::Denied(_)) => return mounted.refuse(refusal, head),
        Err(refusal) => return described(mounted.refuse(refusal, head)),
    };
    let Some(token) = token(head) else {
        return with_error(mounted.missing_id(), "missing_connection_token", "the query has no id of a connection");
    };
    let Some((send_queue, owner)) = mounted.registry.renewable(&token, mounted.number) else {
        return with_error(mounted.unknown(), "connection_not_found", "there is no connection with this id");
    };
    if owner != Principal::of(&identity) {
        let (error, detail) = (ClientError::Forbidden, "the token is of another user");
        return with_error(mounted.reject(error, detail, text(StatusCode::FORBIDDEN, "")), "forbidden", detail);
    }
    let body = body(&Refreshed { token_lifetime_seconds: lifetime(&identity) });
    send_queue.renew(mounted.endpoint.access().renewal(identity));
    json(Response::new(body))
}

/// Describes why a request is not admitted, without telling more than its status.
fn described(response: Response<Body>) -> Response<Body> {
    let (error, description) = match response.status() {
        StatusCode::UNAUTHORIZED => ("invalid_token", "the token is missing, has expired or is not valid"),
        StatusCode::FORBIDDEN => ("forbidden", "the user of the token may not use the hub"),
        _ => ("too_many_requests", "too many wrong tokens came from this address"),
    };
    with_error(response, error, description)
}

fn with_error(mut response: Response<Body>, error: &'static str, error_description: &'static str) -> Response<Body> {
    *response.body_mut() = body(&Refused { error, error_description });
    // An application's own refusal may have the length of its own body.
    response.headers_mut().remove(CONTENT_LENGTH);
    json(response)
}

fn body(content: &impl Serialize) -> Body {
    Body::from(serde_json::to_vec(content).expect("texts and numbers always serialise"))
}
