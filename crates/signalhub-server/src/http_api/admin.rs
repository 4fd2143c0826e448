//! The admin API of the internal listener: acts of an operator, with the token of `admin.token`.

mod mis_keys;
mod revocations;

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use signalhub::connections::{Body, GuessLimit, RequestBody, Revocations, authorization_token};
use signalhub_dialects::printfactory::MisKeys;

use super::not_found;
use super::problem::{Problem, ProblemCode};
use super::request_body::{self, BodyLimits};
use crate::configuration::{ByteSize, Configuration, KeyDigest, SigningSecret};

/// The beginning of the paths of the admin API.
pub(super) const PREFIX: &str = "/admin/api/v1/";

/// How many bytes the body of a request may have.
const LONGEST_BODY: ByteSize = ByteSize::kibibytes(16);

/// Answers the requests of the admin API.
#[derive(Debug)]
pub(crate) struct AdminApi {
    /// The digest of `admin.token`; `None` if there is none, and then nothing is allowed.
    token: Option<KeyDigest>,
    guesses: Option<GuessLimit>,
    revocations: Revocations,
    revocation_memory: Duration,
    body: BodyLimits,
    /// The keys of PrintFactory, if the dialect is on.
    mis_keys: Option<MisKeys>,
}

impl AdminApi {
    pub(crate) fn new(
        configuration: &Configuration,
        guesses: Option<GuessLimit>,
        revocations: Revocations,
        mis_keys: Option<MisKeys>,
    ) -> Self {
        let token = configuration.admin.token.as_ref().map(SigningSecret::reveal);
        Self {
            token: token.map(|token| KeyDigest::of(token.as_bytes())),
            guesses,
            revocations,
            revocation_memory: configuration.auth.revocation_memory,
            mis_keys,
            body: BodyLimits {
                size: LONGEST_BODY,
                size_of: "the admin API",
                time: configuration.limits.body_timeout,
                time_of: "limits.body_timeout",
            },
        }
    }

    /// Answers a request whose path begins with [`PREFIX`]. Credentials come first: without them a client learns nothing.
    pub(super) async fn answer(&self, request: Request<RequestBody>) -> Result<Response<Body>, Problem> {
        let (head, body) = request.into_parts();
        self.authorize(&head)?;
        let mut response = match head.uri.path().strip_prefix(PREFIX) {
            Some("revocations") => {
                only_post(&head)?;
                let revocation = revocations::read(read(&head, body, self.body).await?)?;
                self.revocations.revoke(&revocation, self.revocation_memory).map_err(revocations::refused)?;
                tracing::info!(kind = revocations::kind(&revocation), "credentials were revoked");
                no_content()
            }
            Some("miskeys") => self.answer_mis_keys(&head, body).await?,
            _ => return not_found("the admin API has /admin/api/v1/revocations and /admin/api/v1/miskeys"),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    async fn answer_mis_keys(&self, head: &Parts, body: RequestBody) -> Result<Response<Body>, Problem> {
        let Some(keys) = &self.mis_keys else {
            return not_found("the dialect PrintFactory is off (dialects.printfactory.listen)");
        };
        match head.method {
            Method::GET => mis_keys::list(keys.clone()).await,
            Method::POST => mis_keys::change(keys.clone(), read(head, body, self.body).await?).await,
            _ => Err(Problem::method_not_allowed("GET, POST")),
        }
    }

    /// Compares digests, so that the time it takes tells nothing about the token.
    fn authorize(&self, head: &Parts) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return Err(Problem::new(ProblemCode::Forbidden, "the admin API is off: admin.token is not configured"));
        };
        match authorization_token(head) {
            Some(given) if is_equal(KeyDigest::of(given.as_bytes()), *token) => Ok(()),
            Some(_) => {
                Err(Problem::wrong_credentials(self.guesses.as_ref(), head, "the token is not that of admin.token"))
            }
            None => Err(Problem::new(
                ProblemCode::Unauthenticated,
                "Authorization: Bearer with the token of admin.token is missing",
            )),
        }
    }
}

fn is_equal(given: KeyDigest, known: KeyDigest) -> bool {
    verify_slices_are_equal(given.bytes(), known.bytes()).is_ok()
}

fn only_post(head: &Parts) -> Result<(), Problem> {
    if head.method == Method::POST { Ok(()) } else { Err(Problem::method_not_allowed("POST")) }
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Reads the body of a request as JSON, whatever its content type says.
async fn read<T: DeserializeOwned>(head: &Parts, body: RequestBody, limits: BodyLimits) -> Result<T, Problem> {
    let body = request_body::read(&head.headers, body, limits).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let code = match error.classify() {
            Category::Data => ProblemCode::InvalidMember,
            Category::Io | Category::Syntax | Category::Eof => ProblemCode::InvalidJson,
        };
        Problem::new(code, error.to_string())
    })
}
