//! What is answered when something is refused (RFC 9457).

use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use signalhub::connections::Body;

/// A refusal: a stable code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
}

macro_rules! problem_codes {
    ($( $variant:ident = $status:ident, $code:literal, $title:literal; )+) => {
        /// The kinds of refusal; their codes stay as they are once they were released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ProblemCode {
            $( $variant, )+
        }

        impl ProblemCode {
            fn parts(self) -> (StatusCode, &'static str, &'static str) {
                match self {
                    $( Self::$variant => (StatusCode::$status, $code, $title), )+
                }
            }
        }
    };
}

problem_codes! {
    InvalidUtf8 = BAD_REQUEST, "invalid_utf8", "The body is not UTF-8";
    InvalidJson = BAD_REQUEST, "invalid_json", "The body is not JSON";
    BatchUnsupported = BAD_REQUEST, "batch_unsupported", "Batches are not supported yet";
    InvalidNotification = BAD_REQUEST, "invalid_notification", "The body is not a notification";
    UnknownMember = BAD_REQUEST, "unknown_member", "A member is not known";
    MissingMember = BAD_REQUEST, "missing_member", "A member is missing";
    InvalidMember = BAD_REQUEST, "invalid_member", "A member is not what was expected";
    InvalidPayload = BAD_REQUEST, "invalid_payload", "The payload is not what the event needs";
    UnknownEvent = BAD_REQUEST, "unknown_event", "The event is not known";
    IncompleteBody = BAD_REQUEST, "incomplete_body", "The body ended early";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Credentials are missing or not valid";
    Forbidden = FORBIDDEN, "forbidden", "The credentials do not allow this";
    NotFound = NOT_FOUND, "not_found", "There is nothing here";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here";
    BodyTimeout = REQUEST_TIMEOUT, "body_timeout", "The body took too long";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The content type is not supported";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The server is stopping";
}

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// Makes the refusal of a method, where only `allowed` is.
    pub(crate) fn method_not_allowed(allowed: &'static str) -> Response<Body> {
        let problem = Self::new(ProblemCode::MethodNotAllowed, format!("allowed is {allowed}"));
        let mut response = problem.into_response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        response
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let (status, code, title) = self.code.parts();
        let mut response = json_response(&Details { status: status.as_u16(), code, title, detail: &self.detail });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The members of a problem, in the order in which people read them.
#[derive(Serialize)]
struct Details<'a> {
    status: u16,
    code: &'a str,
    title: &'a str,
    detail: &'a str,
}

/// Answers with JSON, ended by a line break for the sake of terminals.
pub(crate) fn json_response(body: &impl Serialize) -> Response<Body> {
    let mut json = serde_json::to_vec(body).expect("numbers and texts always serialise");
    json.push(b'\n');
    let mut response = Response::new(json.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
