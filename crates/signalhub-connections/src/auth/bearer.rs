//! Bearer tokens: JSON Web Tokens in the header, or in the query where browsers cannot set headers.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::auth::authenticate::{Authenticate, Authentication};
use crate::auth::claim_path::ClaimPath;
use crate::auth::claim_reader::{ClaimReader, ClaimRule, DEFAULT_LEEWAY};
use crate::auth::identity::Identity;
use crate::auth::token::{TokenError, verified_claims};
use crate::request::query;

/// Authenticates by JSON Web Tokens: `Authorization: Bearer …`, or `access_token` in the query.
///
/// `sub` is the user and `org` the organisation; both names can be changed. A token is not valid without a user or
/// without an expiry time (`exp`). A claim of the wrong type makes the whole token invalid: an organisation that is not a
/// string, or empty, or `null`, is not treated as absent. [`BearerToken::claim`] adds such checks for other claims. A token
/// that requires extensions (`crit`) is not valid, because none are supported.
pub struct BearerToken {
    key: DecodingKey,
    validation: Validation,
    reader: ClaimReader,
}

impl BearerToken {
    /// Accepts tokens signed with a shared secret (HMAC with SHA-256).
    ///
    /// # Panics
    /// If the secret is shorter than 32 bytes: it could be guessed and used to sign tokens (RFC 7518, section 3.2).
    pub fn hs256(secret: &[u8]) -> Self {
        assert!(secret.len() >= 32, "the secret of HS256 tokens has at least 32 bytes");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = DEFAULT_LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.validate_aud = false;
        Self { key: DecodingKey::from_secret(secret), validation, reader: ClaimReader::default() }
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

    /// Sets how much the clocks of issuer and server may differ, 30 s by default. The times of a token are extended by it.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.validation.leeway = leeway.as_secs();
        self.reader.leeway = Duration::from_secs(leeway.as_secs());
        self
    }

    /// Sets the claim that names the user; `sub` by default.
    #[must_use]
    pub fn user_claim(mut self, name: &str) -> Self {
        self.reader.user = ClaimPath::name(name);
        self
    }

    /// Sets the claim that names the organisation; `org` by default.
    #[must_use]
    pub fn organisation_claim(mut self, name: &str) -> Self {
        self.reader.organisation = ClaimPath::name(name);
        self
    }

    /// Checks one more claim: a token that has it is valid only if `is_good` returns `true` for its value. `expected`
    /// describes a good value in errors, as in "a list of event names".
    #[must_use]
    pub fn claim(mut self, name: &'static str, expected: &'static str, is_good: fn(&Value) -> bool) -> Self {
        self.reader.rules.push(ClaimRule { name, expected, is_good });
        self
    }

    /// Checks a token, whichever way it was sent.
    ///
    /// # Errors
    /// If the token is not valid. The error contains no part of the token.
    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        self.reader.identity(verified_claims(token, &self.key, &self.validation)?)
    }
}

impl Authenticate for BearerToken {
    fn authenticate(&self, request: &Parts) -> Authentication {
        authenticate_token(request, |token| self.verify(token))
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("Bearer"))
    }
}

/// Authenticates by the bearer token of a request, which `verify` verifies.
pub(super) fn authenticate_token(
    request: &Parts,
    verify: impl FnOnce(&str) -> Result<Identity, TokenError>,
) -> Authentication {
    let Some(token) = bearer_token(request) else {
        return Authentication::Missing;
    };
    match verify(&token) {
        Ok(identity) => Authentication::Identified(identity),
        Err(TokenError::Expired) => Authentication::Expired,
        Err(error) if error.is_guess() => Authentication::Invalid(error.to_string().into()),
        Err(error) => Authentication::Unacceptable(error.to_string().into()),
    }
}

/// Finds the bearer token of a request: in the `Authorization` header, else in `access_token` of the query.
///
/// Browsers cannot set headers on WebSockets and event streams, so clients put the token in the query there.
pub fn bearer_token(request: &Parts) -> Option<String> {
    let from_header = authorization_token(request).map(str::to_owned);
    from_header.or_else(|| query::value(request.uri.query(), "access_token")).filter(|token| !token.is_empty())
}

/// Finds the bearer token of a request in the `Authorization` header alone. Proxies write queries into their logs, so a
/// token in the query is for browsers, which have no other way.
///
/// A request with more than one such header has none: a proxy may have checked another one than the server would take.
pub fn authorization_token(request: &Parts) -> Option<&str> {
    let mut headers = request.headers.get_all(AUTHORIZATION).iter();
    let (header, None) = (headers.next()?, headers.next()) else { return None };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

#[cfg(test)]
mod tests;
