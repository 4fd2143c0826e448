//! Bearer tokens: JSON Web Tokens in the header, or in the query where browsers cannot set headers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use crate::auth::authenticate::{Authenticate, Authentication};
use crate::auth::identity::Identity;
use crate::request::query;

/// The clock difference that a token's times are forgiven by default.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// Authenticates by JSON Web Tokens: `Authorization: Bearer …`, or `access_token` in the query.
///
/// `sub` is the user and `org` the organisation; both names can be changed. A token without a user is not valid, nor is
/// one without expiry. A claim that is there and is not what it should be makes the token invalid, whatever it is used for:
/// an organisation that is no text, or an empty one, or `null`, must not be taken for none. [`BearerToken::claim`] has more
/// claims judged in this way. A token that needs extensions (`crit`) is not valid, because none is known here.
pub struct BearerToken {
    key: DecodingKey,
    validation: Validation,
    user_claim: Arc<str>,
    organisation_claim: Arc<str>,
    claims: Vec<ClaimRule>,
}

/// What a claim must be wherever a token holds it.
struct ClaimRule {
    name: &'static str,
    expected: &'static str,
    is_good: fn(&Value) -> bool,
}

impl BearerToken {
    /// Accepts tokens signed with a shared secret (HMAC with SHA-256).
    ///
    /// # Panics
    /// When the secret is shorter than 32 bytes: others could guess it and sign tokens (RFC 7518, section 3.2).
    pub fn hs256(secret: &[u8]) -> Self {
        assert!(secret.len() >= 32, "the secret of HS256 tokens has at least 32 bytes");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = DEFAULT_LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.validate_aud = false;
        Self {
            key: DecodingKey::from_secret(secret),
            validation,
            user_claim: "sub".into(),
            organisation_claim: "org".into(),
            claims: Vec::new(),
        }
    }

    /// Accepts only tokens of this issuer (`iss`).
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.validation.set_issuer(&[issuer]);
        self.validation.required_spec_claims.insert("iss".to_owned());
        self
    }

    /// Accepts only tokens for this audience (`aud`).
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.validation.set_audience(&[audience]);
        self.validation.validate_aud = true;
        self.validation.required_spec_claims.insert("aud".to_owned());
        self
    }

    /// Sets the clock difference that the times of a token are forgiven; 30 s by default.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.validation.leeway = leeway.as_secs();
        self
    }

    /// Sets the claim that names the user; `sub` by default.
    #[must_use]
    pub fn user_claim(mut self, name: &str) -> Self {
        self.user_claim = name.into();
        self
    }

    /// Sets the claim that names the organisation; `org` by default.
    #[must_use]
    pub fn organisation_claim(mut self, name: &str) -> Self {
        self.organisation_claim = name.into();
        self
    }

    /// Has one more claim judged: a token that holds it is valid only if `is_good` says so. `expected` says what is good,
    /// as in "a list of event names".
    #[must_use]
    pub fn claim(mut self, name: &'static str, expected: &'static str, is_good: fn(&Value) -> bool) -> Self {
        self.claims.push(ClaimRule { name, expected, is_good });
        self
    }

    /// Judges a token that came by any way.
    ///
    /// # Errors
    /// With what is wrong with it; the error holds no part of the token.
    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation)
            .map_err(|error| TokenError::from_kind(error.kind()))?;
        if has_critical_extensions(token) {
            return Err(TokenError::Critical);
        }
        let claims = decoded.claims;
        let text = |name: &str| claims.get(name).map(|claim| claim.as_str().filter(|text| !text.is_empty()));
        let user = text(&self.user_claim).flatten().ok_or(TokenError::NoUser)?;
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or(TokenError::Malformed)?;
        let mut identity = Identity::user(user);
        if let Some(organisation) = text(&self.organisation_claim) {
            let expected = "a text that is not empty";
            let wrong = || TokenError::Claim { name: Arc::clone(&self.organisation_claim), expected };
            identity = identity.with_organisation(organisation.ok_or_else(wrong)?);
        }
        let is_wrong = |rule: &&ClaimRule| claims.get(rule.name).is_some_and(|claim| !(rule.is_good)(claim));
        if let Some(rule) = self.claims.iter().find(is_wrong) {
            return Err(TokenError::Claim { name: rule.name.into(), expected: rule.expected });
        }
        // A time too far away for the clock never comes.
        let lifetime = Duration::try_from_secs_f64(expires).unwrap_or(Duration::MAX);
        // What admits a token late also lets it stay as long, or its client would be sent away and come right back.
        let lifetime = lifetime.saturating_add(Duration::from_secs(self.validation.leeway));
        if let Some(expires) = SystemTime::UNIX_EPOCH.checked_add(lifetime) {
            identity = identity.with_expiry(expires);
        }
        Ok(identity.with_claims(claims))
    }
}

/// Tells whether the header of a token, which has been decoded already, has the member `crit`, whatever its value: null is
/// no list of extensions either.
fn has_critical_extensions(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let members = URL_SAFE_NO_PAD.decode(header).ok().and_then(|json| serde_json::from_slice::<Map<_, _>>(&json).ok());
    members.is_none_or(|members: Map<String, Value>| members.contains_key("crit"))
}

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Its times have passed.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    TooEarly,
    /// It was signed with another key.
    #[error("the signature does not match")]
    Signature,
    /// Its algorithm is not the configured one.
    #[error("the algorithm is not accepted")]
    Algorithm,
    /// It is for another audience or by another issuer.
    #[error("the issuer or the audience is not accepted")]
    Party,
    /// It names no user: the claim is missing, empty or no text.
    #[error("the token names no user")]
    NoUser,
    /// A claim is there and is not what it should be.
    #[error("the claim \"{name}\" of the token must be {expected}")]
    Claim {
        /// The claim.
        name: Arc<str>,
        /// What it should be.
        expected: &'static str,
    },
    /// It says that it must not be accepted without extensions (RFC 7515, section 4.1.11), and none is known here.
    #[error("the token needs extensions that are not known (crit)")]
    Critical,
    /// It is no token.
    #[error("the token is malformed")]
    Malformed,
}

impl TokenError {
    /// Tells whether the signature is good and something else is not: nobody has guessed such a token.
    pub fn is_genuine(&self) -> bool {
        match self {
            Self::Expired | Self::TooEarly | Self::Party | Self::NoUser | Self::Claim { .. } | Self::Critical => true,
            Self::Signature | Self::Algorithm | Self::Malformed => false,
        }
    }

    fn from_kind(kind: &jsonwebtoken::errors::ErrorKind) -> Self {
        use jsonwebtoken::errors::ErrorKind;
        match kind {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::TooEarly,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::MissingAlgorithm => {
                Self::Algorithm
            }
            ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer => Self::Party,
            // These are looked at behind the signature.
            ErrorKind::InvalidClaimFormat(name) | ErrorKind::MissingRequiredClaim(name) => {
                Self::Claim { name: name.as_str().into(), expected: "present, with the type that RFC 7519 gives it" }
            }
            _ => Self::Malformed,
        }
    }
}

impl Authenticate for BearerToken {
    fn authenticate(&self, request: &Parts) -> Authentication {
        let Some(token) = bearer_token(request) else {
            return Authentication::Missing;
        };
        match self.verify(&token) {
            Ok(identity) => Authentication::Identified(identity),
            Err(TokenError::Expired) => Authentication::Expired,
            Err(error) if error.is_genuine() => Authentication::Unacceptable(error.to_string().into()),
            Err(error) => Authentication::Invalid(error.to_string().into()),
        }
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("Bearer"))
    }
}

/// Finds the bearer token of a request: in the `Authorization` header, else in `access_token` of the query.
///
/// Browsers cannot set headers on WebSockets and event streams, so clients put the token in the query there.
pub fn bearer_token(request: &Parts) -> Option<String> {
    let from_header = authorization_token(request).map(str::to_owned);
    from_header.or_else(|| query::value(request.uri.query(), "access_token")).filter(|token| !token.is_empty())
}

/// Finds the bearer token of a request in the `Authorization` header alone: what is in the query ends up in the logs of
/// proxies, and only browsers have no other way.
pub fn authorization_token(request: &Parts) -> Option<&str> {
    let (scheme, token) = request.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

#[cfg(test)]
mod tests;
