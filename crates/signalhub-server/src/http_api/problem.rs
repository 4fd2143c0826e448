//! Problems: the answers to refused requests (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use signalhub::connections::{Body, GuessLimit};

use super::response::json_response;

/// A refusal: a stable code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
    retry_after: Option<Duration>,
    /// The methods that would be allowed.
    allowed: Option<Cow<'static, str>>,
}

macro_rules! problem_codes {
    ($( $variant:ident = $status:ident, $code:literal, $title:literal, $remedy:literal; )+) => {
        /// The kinds of problem. A released code never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ProblemCode {
            $( $variant, )+
        }

        impl ProblemCode {
            /// All of them, in the order of the documents.
            pub(crate) const ALL: &[Self] = &[$( Self::$variant, )+];

            /// The status of the answer.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $( Self::$variant => StatusCode::$status, )+
                }
            }

            /// The code, which programs compare.
            pub(crate) fn code(self) -> &'static str {
                match self {
                    $( Self::$variant => $code, )+
                }
            }

            /// A short name for metrics: the code, apart from those of other refusals.
            pub(crate) fn label(self) -> &'static str {
                match self {
                    $( Self::$variant => concat!("api_", $code), )+
                }
            }

            /// The title: what is wrong.
            pub(crate) fn title(self) -> &'static str {
                match self {
                    $( Self::$variant => $title, )+
                }
            }

            /// What to do about it.
            pub(crate) fn remedy(self) -> &'static str {
                match self {
                    $( Self::$variant => $remedy, )+
                }
            }
        }
    };
}

problem_codes! {
    InvalidUtf8 = BAD_REQUEST, "invalid_utf8", "The body is not UTF-8", "Send the body in UTF-8.";
    InvalidJson = BAD_REQUEST, "invalid_json", "The body is not JSON", "Send one JSON value and nothing after it; `detail` has the line and the column.";
    InvalidNotification = BAD_REQUEST, "invalid_notification", "This is not a notification", "Send an object, or for a batch an array of objects.";
    UnknownMember = BAD_REQUEST, "unknown_member", "A member is not known", "Check the spelling of the member that `detail` names.";
    MissingMember = BAD_REQUEST, "missing_member", "A member is missing", "Add the member that `detail` names.";
    InvalidMember = BAD_REQUEST, "invalid_member", "A member is not what was expected", "Give the member what `detail` says.";
    InvalidPayload = BAD_REQUEST, "invalid_payload", "The payload is not what the event needs", "Give the payload what `detail` says.";
    UnknownEvent = BAD_REQUEST, "unknown_event", "The event is not known", "Check the name, or declare it in the section `events` of the configuration.";
    TooManyEvents = BAD_REQUEST, "too_many_events", "There are too many undeclared events", "Declare the event in the section `events` of the configuration, or raise `history.names` at all nodes of the cluster.";
    InvalidParameter = BAD_REQUEST, "invalid_parameter", "A parameter is not what was expected", "Give the parameter of the query what `detail` says.";
    InvalidPosition = BAD_REQUEST, "invalid_position", "This is not a position", "Send a `position`, `next` or `last` as it was received, or `earliest`.";
    InvalidIdempotencyKey = BAD_REQUEST, "invalid_idempotency_key", "The idempotency key is not what was expected", "Send one header `Idempotency-Key` of 1 to 255 visible ASCII characters; none for CloudEvents, whose `source` and `id` are the key.";
    InvalidWait = BAD_REQUEST, "invalid_wait", "The publish cannot wait for this", "Send `wait=accepted`, `wait=matched`, `wait=delivered`, or, with `history.store = \"disk\"` or in a cluster whose Redis can wait for its disk, `wait=durable`.";
    MissingSelection = BAD_REQUEST, "missing_selection", "Nothing is selected", "Name a user, an organisation or an event; all connections at once are closed by a restart.";
    IncompleteBody = BAD_REQUEST, "incomplete_body", "The body ended early", "Send the whole body.";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Credentials are missing or not valid", "Send a known `X-API-Key`, or a valid bearer token in `Authorization`; or, where `tls.client_auth` is set, the certificate of an API client.";
    AdminUnauthenticated = UNAUTHORIZED, "admin_unauthenticated", "The token of the admin API is missing or wrong", "Send the token of `admin.token` as `Authorization: Bearer`.";
    Forbidden = FORBIDDEN, "forbidden", "The credentials do not allow this", "Use a token whose claim `publish` covers the event, and name its own organisation; or an API key that may publish the event for the organisation. To read the history, use a token whose grants cover the event, or such a key. For the admin API, configure `admin.token`, and send no `Origin` of another page.";
    NotFound = NOT_FOUND, "not_found", "There is nothing here", "Check the path.";
    UnknownConnection = NOT_FOUND, "unknown_connection", "There is no such connection", "Check the id: it is the public one, as lists, logs and the client itself have it. The connection may have ended.";
    NoHistory = NOT_FOUND, "no_history", "The event has no history", "Set `history.store`, or raise `history.names` if the event is undeclared.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here", "Use a method that the header `Allow` names.";
    BodyTimeout = REQUEST_TIMEOUT, "body_timeout", "The body took too long", "Send the body faster, or a smaller one.";
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large", "Send less at once, or raise `publish.maximum_body_size`.";
    BatchTooLarge = PAYLOAD_TOO_LARGE, "batch_too_large", "The batch has too many items", "Split the batch, or raise `publish.maximum_batch_size`.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The content type is not supported", "Use one of the content types that `detail` names.";
    UnsupportedEncoding = UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "The body is encoded", "Send the body as it is, without `Content-Encoding`.";
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key belongs to another event", "Repeat an event unchanged, and give another event another key. A key can be used anew after `publish.idempotency_window`.";
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "Too much is published", "Wait as long as `Retry-After` says, or raise `publish.rate`.";
    TooManyFailures = TOO_MANY_REQUESTS, "too_many_failures", "Too many wrong keys and tokens came from this address", "Wait as long as `Retry-After` says, correct the key or the token, or raise `limits.failed_authentications`.";
    TooManyLists = TOO_MANY_REQUESTS, "too_many_lists", "Too many lists are being made", "Try again when the others are done.";
    TooManyTails = TOO_MANY_REQUESTS, "too_many_tails", "Too many live tails are open", "Close another tail of events, in the console or elsewhere.";
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "The server is not available", "`detail` tells why, such as that it is stopping. Wait as long as `Retry-After` says and try again.";
    HistoryUnavailable = SERVICE_UNAVAILABLE, "history_unavailable", "The history is not available", "A notification that gets this is not published. Wait as long as `Retry-After` says and try again; the log of the server has the reason.";
    BackplaneUnavailable = SERVICE_UNAVAILABLE, "backplane_unavailable", "Redis is not available", "The notification is not published, because this node cannot reach the Redis of its cluster. Wait as long as `Retry-After` says and try again, here or at another node.";
    PublishUnknown = SERVICE_UNAVAILABLE, "publish_unknown", "It is not known whether it was published", "The Redis of the cluster has not answered in time. Repeat it with the same `Idempotency-Key` as long as you get this; without a key, a repeat may publish it twice.";
}

/// How many characters a detail has at most. It may repeat what a client has sent, such as the name of a member.
const LONGEST_DETAIL: usize = 4096;

/// A server that restarts is back soon, and another server behind the same address may answer at once; a list takes less.
const RETRY_WHEN_UNAVAILABLE: Duration = Duration::from_secs(1);

/// The store of the history is tried again so often.
const RETRY_WHEN_HISTORY_UNAVAILABLE: Duration = Duration::from_secs(5);

impl ProblemCode {
    /// Those of the admin API alone.
    pub(crate) const OF_ADMIN: [Self; 5] = [
        Self::AdminUnauthenticated,
        Self::UnknownConnection,
        Self::MissingSelection,
        Self::TooManyLists,
        Self::TooManyTails,
    ];
}

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            ProblemCode::Unavailable
            | ProblemCode::TooManyLists
            | ProblemCode::BackplaneUnavailable
            | ProblemCode::PublishUnknown => Some(RETRY_WHEN_UNAVAILABLE),
            ProblemCode::HistoryUnavailable => Some(RETRY_WHEN_HISTORY_UNAVAILABLE),
            _ => None,
        };
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(LONGEST_DETAIL) {
            detail.truncate(end);
            detail.push('\u{2026}');
        }
        Self { code, detail, retry_after, allowed: None }
    }

    /// Makes the problem for an address that sent too many wrong credentials.
    pub(crate) fn too_many_failures(after: Duration) -> Self {
        let detail = "too many wrong keys and tokens have come from this address (limits.failed_authentications)";
        Self { retry_after: Some(after), ..Self::new(ProblemCode::TooManyFailures, detail) }
    }

    /// Counts wrong credentials as a guess of their address, and makes the problem for them, of this code unless there were
    /// too many.
    pub(crate) fn wrong_credentials(
        guesses: Option<&GuessLimit>,
        head: &Parts,
        code: ProblemCode,
        detail: &str,
    ) -> Self {
        match guesses.map(|limit| limit.count(head)) {
            Some(Err(after)) => Self::too_many_failures(after),
            Some(Ok(())) | None => Self::new(code, detail),
        }
    }

    /// Makes a 429 problem with this `Retry-After`.
    pub(crate) fn rate_limited(detail: impl Into<String>, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::new(ProblemCode::RateLimited, detail) }
    }

    /// Returns how long to wait before trying again.
    #[cfg(test)]
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Makes the problem for a method other than those in `allowed`.
    pub(crate) fn method_not_allowed(allowed: impl Into<Cow<'static, str>>) -> Self {
        let allowed = allowed.into();
        let problem = Self::new(ProblemCode::MethodNotAllowed, format!("allowed is {allowed}"));
        Self { allowed: Some(allowed), ..problem }
    }

    /// Logs it, within the span of its request.
    pub(crate) fn log(&self) {
        tracing::debug!(reason = self.code.label(), detail = self.detail, "a request was refused");
    }

    /// Converts it to the answer to a request.
    pub(crate) fn to_response(&self) -> Response<Body> {
        let mut response = json_response(&self.details());
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == ProblemCode::UnsupportedEncoding {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(allowed) = self.allowed.as_deref().and_then(|allowed| HeaderValue::from_str(allowed).ok()) {
            headers.insert(ALLOW, allowed);
        }
        if matches!(self.code, ProblemCode::Unauthenticated | ProblemCode::AdminUnauthenticated) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// The members of the problem, as they stand in an answer.
    pub(crate) fn details(&self) -> Details<'_> {
        let (code, title) = (self.code.code(), self.code.title());
        Details { status: self.code.status().as_u16(), code, title, detail: &self.detail }
    }
}

/// The members of a problem, in the order in which people read them.
#[derive(Debug, Serialize)]
pub(crate) struct Details<'a> {
    status: u16,
    code: &'a str,
    title: &'a str,
    detail: &'a str,
}

#[cfg(test)]
mod tests;
