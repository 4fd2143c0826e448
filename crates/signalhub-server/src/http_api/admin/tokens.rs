//! `POST /admin/api/v1/tokens`: signs a token for trying the hub out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use portos_notifications::{GrantClaim, broker, format_timestamp};
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call};
use super::operated::Operated;
use crate::configuration::parse_duration;
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;
use crate::token::{self, SignError, TokenContent};

/// How long a token is valid if the request does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long a token may be valid. It is for trying out; `signalhub token create` signs others.
const LONGEST_LIFETIME: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    user: String,
    organisation: Option<String>,
    ttl: Option<String>,
    grants: Option<Vec<GrantClaim>>,
}

#[derive(Serialize)]
struct Signed {
    token: String,
    expires: String,
}

/// Signs a token that may subscribe, and may publish nothing.
pub(super) async fn sign(operated: Arc<Operated>, call: Call) -> Answer {
    let content = read(call.json().await?)?;
    let expires = SystemTime::now() + content.lifetime;
    let token = token::sign(&operated.configuration.auth, &content).map_err(|error| match error {
        SignError::NoSecret => {
            Problem::new(ProblemCode::NotFound, "auth.secret is not configured, so no token can be signed")
        }
        SignError::Failed(_) => Problem::new(ProblemCode::Unavailable, error.to_string()),
    })?;
    tracing::info!(user = content.user, seconds = content.lifetime.as_secs(), "an operator has signed a token");
    Ok(json_response(&Signed { token, expires: format_timestamp(expires.into()) }))
}

fn read(request: Request) -> Result<TokenContent, Problem> {
    let invalid = |detail: String| Problem::new(ProblemCode::InvalidMember, detail);
    let Request { user, organisation, ttl, grants } = request;
    if user.is_empty() || organisation.as_deref() == Some("") {
        return Err(invalid("user and organisation: expected texts that are not empty".to_owned()));
    }
    let lifetime = ttl.map_or(Some(DEFAULT_LIFETIME), |ttl| parse_duration(&ttl));
    let lifetime = lifetime.filter(|lifetime| !lifetime.is_zero() && *lifetime <= LONGEST_LIFETIME);
    let lifetime = lifetime.ok_or_else(|| invalid("ttl: expected a time up to 1h, such as \"10m\"".to_owned()))?;
    // A token without the claim gets the default grants, which an empty list does not ask for.
    if grants.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("grants: expected at least one; without the member, the default grants hold".to_owned()));
    }
    let grants = grants.unwrap_or_default();
    for (index, grant) in grants.iter().enumerate() {
        broker::grant(grant).map_err(|error| invalid(format!("grants[{index}]: {error}")))?;
    }
    Ok(TokenContent { user, lifetime, organisation, grants, publish: Vec::new() })
}
