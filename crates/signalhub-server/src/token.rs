//! Signs bearer tokens with the configured key.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use signalhub::events::{Action, Pattern};

use crate::configuration::Auth;

/// What a token is to say.
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

/// One grant, as a token writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantClaim {
    /// The event, which may end in `*`.
    e: String,
    /// The resource, which may end in `*`; absent is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<String>,
    /// The actions; absent is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<Vec<String>>,
}

/// Tells why no token was signed.
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
    // A token of half a second must not have ended when it is made.
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
        claim("grants", content.grants.iter().map(GrantClaim::to_value).collect());
    }
    if !content.publish.is_empty() {
        claim("publish", content.publish.iter().map(Pattern::to_string).collect());
    }
    claim(&auth.user_claim, content.user.as_str().into());
    let key = EncodingKey::from_secret(secret.reveal().as_bytes());
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
}

impl GrantClaim {
    fn to_value(&self) -> Value {
        let texts = |list: &Vec<String>| list.iter().map(String::as_str).collect::<Value>();
        let members = [
            ("e", Some(Value::from(self.e.as_str()))),
            ("r", self.r.as_deref().map(Value::from)),
            ("a", self.a.as_ref().map(texts)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// Checks what the server would refuse to read later.
    fn check(self) -> Result<Self, String> {
        for pattern in std::iter::once(&self.e).chain(&self.r) {
            pattern.parse::<Pattern>().map_err(|error| error.to_string())?;
        }
        for action in self.a.iter().flatten() {
            action.parse::<Action>().map_err(|error| error.to_string())?;
        }
        Ok(self)
    }
}

impl FromStr for GrantClaim {
    type Err = String;

    /// Reads `event[:resource[:action,…]]`, where an empty resource is any, or the JSON object of the claim.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return serde_json::from_str::<Self>(text).map_err(|error| error.to_string())?.check();
        }
        let mut parts = text.splitn(3, ':');
        let e = parts.next().unwrap_or_default().to_owned();
        let r = parts.next().filter(|resource| !resource.is_empty()).map(str::to_owned);
        let a = parts.next().map(|actions| actions.split(',').map(str::to_owned).collect());
        Self { e, r, a }.check()
    }
}

#[cfg(test)]
mod tests;
