//! `POST /admin/api/v1/revocations`: refuses tokens before they expire.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;
use signalhub::connections::{Revocation, RevokeError};
use signalhub_redis::revocations::ShareError;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::call::{Answer, Call, no_content};
use super::operated::Operated;
use crate::http_api::problem::{Problem, ProblemCode};

/// The body of a request: the tokens of a user, or one token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    user: Option<String>,
    organisation: Option<String>,
    before: Option<String>,
    jti: Option<String>,
}

/// Refuses tokens from now on, and closes the connections that were opened with them. In a cluster the other nodes do the same; an
/// answer that they do not know of it yet leaves the revocation in force at this node.
pub(super) async fn revoke(operated: Arc<Operated>, call: Call) -> Answer {
    let revocation = read(call.json().await?)?;
    let memory = operated.configuration.auth.revocation_memory;
    operated.revocations.revoke(&revocation, memory).map_err(refused)?;
    tracing::info!(kind = kind(&revocation), "credentials were revoked");
    if let Some(member) = operated.counts.cluster() {
        member.share(&revocation, memory).await.map_err(|error| not_shared(&error))?;
    }
    Ok(no_content())
}

/// Reads what is to be revoked. Without `before` these are the tokens that were issued until now.
fn read(request: Request) -> Result<Revocation, Problem> {
    let invalid = |detail: &str| Err(Problem::new(ProblemCode::InvalidMember, detail));
    let is_empty = |text: &Option<String>| text.as_deref() == Some("");
    if is_empty(&request.user) || is_empty(&request.organisation) || is_empty(&request.jti) {
        return invalid("user, organisation and jti: expected texts that are not empty");
    }
    match request {
        Request { user: None, organisation: None, before: None, jti: Some(id) } => Ok(Revocation::Token { id }),
        Request { user: Some(user), organisation, before, jti: None } => {
            let Ok(before) = before.map_or(Ok(SystemTime::now()), |text| time(&text)) else {
                return invalid("before: expected a time such as \"2026-11-28T13:00:00Z\"");
            };
            Ok(Revocation::User { user, organisation, before })
        }
        _ => invalid("expected either jti alone, or user with organisation and before if they are needed"),
    }
}

fn time(text: &str) -> Result<SystemTime, time::error::Parse> {
    OffsetDateTime::parse(text, &Rfc3339).map(SystemTime::from)
}

/// What was revoked, for the log. Users and ids of tokens do not stand there.
fn kind(revocation: &Revocation) -> &'static str {
    if let Revocation::Token { .. } = revocation { "token" } else { "user" }
}

fn not_shared(error: &ShareError) -> Problem {
    let code = match error {
        ShareError::TooLong => ProblemCode::InvalidMember,
        _ => ProblemCode::Unavailable,
    };
    Problem::new(code, format!("the credentials are revoked at this node alone: {error}"))
}

fn refused(error: RevokeError) -> Problem {
    let code = match error {
        RevokeError::InTheFuture => ProblemCode::InvalidMember,
        _ => ProblemCode::Unavailable,
    };
    Problem::new(code, error.to_string())
}
