//! Signs bearer tokens with the configured key.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use portos_notifications::{GRANTS_CLAIM, GrantClaim};
use serde_json::{Map, Value};
use signalhub::events::Pattern;

use crate::configuration::Auth;

/// The content of a token.
#[derive(Clone, Debug)]
pub struct TokenContent {
    /// The user.
    pub user: String,
    /// How long it is valid.
    pub lifetime: Duration,
    /// The organisation.
    pub organisation: Option<String>,
    /// What it may subscribe to; none is the configured default.
    pub grants: Vec<GrantClaim>,
    /// The events that it may publish.
    pub publish: Vec<Pattern>,
}

/// Why a token was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// There is no key.
    #[error(
        "auth.secret is not configured, so there is no key to sign with (in development mode the server prints a token)"
    )]
    NoSecret,
    /// The signature could not be made.
    #[error("the token could not be signed: {0}")]
    Failed(#[from] jsonwebtoken::errors::Error),
}

/// Signs a token that the configured server accepts.
///
/// # Errors
/// When no key is configured.
pub fn sign(auth: &Auth, content: &TokenContent) -> Result<String, SignError> {
    let secret = auth.secret.as_ref().ok_or(SignError::NoSecret)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    // Expiry has whole seconds: a token that is valid for half a second must not be expired when it is made.
    let lifetime = content.lifetime.as_secs() + u64::from(content.lifetime.subsec_nanos() > 0);
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("iat", now.into());
    claim("exp", now.saturating_add(lifetime).into());
    if let Some(issuer) = &auth.issuer {
        claim("iss", issuer.as_str().into());
    }
    if let Some(audience) = &auth.audience {
        claim("aud", audience.as_str().into());
    }
    if let Some(organisation) = &content.organisation {
        claim(&auth.organisation_claim, organisation.as_str().into());
    }
    if !content.grants.is_empty() {
        claim(GRANTS_CLAIM, serde_json::to_value(&content.grants).map_err(jsonwebtoken::errors::Error::from)?);
    }
    if !content.publish.is_empty() {
        claim("publish", content.publish.iter().map(Pattern::to_string).collect());
    }
    claim(&auth.user_claim, content.user.as_str().into());
    let key = EncodingKey::from_secret(secret.reveal().as_bytes());
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
}

#[cfg(test)]
mod tests;
