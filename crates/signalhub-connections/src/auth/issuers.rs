//! Tokens of several issuers.

use std::fmt;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use http::HeaderValue;
use http::request::Parts;
use jsonwebtoken::Header;
use jsonwebtoken::dangerous::insecure_decode_claims;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::auth::authenticate::{Authenticate, Authentication};
use crate::auth::bearer::{BearerToken, authenticate_token, bearer_token};
use crate::auth::identity::Identity;
use crate::auth::issuer::Issuer;
use crate::auth::key_set::KeySet;
use crate::auth::token::TokenError;
use crate::auth::token_counts::TokenCounts;
use crate::auth::verified_tokens::{TokenHash, VerifiedTokens};

/// Authenticates by JSON Web Tokens of several issuers, which are found as [`BearerToken`] finds them.
///
/// The claim `iss` decides which issuer's keys and rules are used. A token of an issuer that is not among them is verified by
/// the [`BearerToken`] of [`Issuers::otherwise`], if there is one.
///
/// Tokens that were verified with a public key are not verified again for up to a minute, and never past their expiry.
///
/// ```
/// # use signalhub_connections::{Issuer, Issuers, KeySet};
/// # fn example(jwks: &[u8]) -> Result<Issuers, Box<dyn std::error::Error>> {
/// let issuer = Issuer::new("https://login.acme.example/realms/acme", KeySet::from_jwks(jwks)?)
///     .audiences(["signalhub"])
///     .user_claim("preferred_username".parse()?);
/// Ok(Issuers::new().with(issuer))
/// # }
/// ```
#[derive(Default)]
pub struct Issuers {
    issuers: Vec<Issuer>,
    otherwise: Option<BearerToken>,
    verified: VerifiedTokens,
    counts: TokenCounts,
}

/// What is read of a token before its signature is verified.
#[derive(Deserialize)]
struct Unverified {
    iss: Option<Value>,
}

impl Issuers {
    /// Accepts no token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts the tokens of an issuer, in place of another one of the same name.
    #[must_use]
    pub fn with(mut self, issuer: Issuer) -> Self {
        self.issuers.retain(|other| other.name() != issuer.name());
        self.issuers.push(issuer);
        self
    }

    /// Verifies the tokens of all other issuers, and those that name none.
    #[must_use]
    pub fn otherwise(mut self, tokens: BearerToken) -> Self {
        self.otherwise = Some(tokens);
        self
    }

    /// Replaces the keys of an issuer, and forgets which tokens were verified. Returns whether there is such an issuer.
    pub fn replace_keys(&self, issuer: &str, keys: KeySet) -> bool {
        let found = self.find(issuer);
        if let Some(issuer) = found {
            issuer.replace_keys(keys);
            self.verified.clear();
        }
        found.is_some()
    }

    /// Counts the keys that an issuer has at this moment; 0 if there is no such issuer.
    pub fn key_count(&self, issuer: &str) -> usize {
        self.find(issuer).map_or(0, Issuer::key_count)
    }

    /// Verifies a token. If it is refused because its key is not there, and the keys of its issuer can be fetched, waits for
    /// them and verifies it once more.
    ///
    /// # Errors
    /// As [`Issuers::verify`].
    pub async fn verify_when_ready(&self, token: &str) -> Result<Identity, TokenError> {
        let refused = match self.verify(token) {
            Err(error) if !error.is_genuine() => error,
            verified => return verified,
        };
        let Some(ready) = self.keys_of(token) else { return Err(refused) };
        ready.await;
        self.verify(token)
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// With what is wrong with the token. Of the token, the error repeats at most the id of its key.
    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let verified = self.verify_uncounted(token);
        self.counts.count(verified.as_ref().err());
        verified
    }

    /// How many tokens were verified so far, by the outcome: `ok`, or what was wrong with them.
    pub fn verifications(&self) -> [(&'static str, u64); TokenCounts::LABELS.len()] {
        self.counts.read()
    }

    fn verify_uncounted(&self, token: &str) -> Result<Identity, TokenError> {
        if self.issuers.is_empty() {
            return self.verify_otherwise(token);
        }
        let hash = self.issuers.iter().any(Issuer::has_public_keys).then(|| TokenHash::of(token));
        let (now, time) = (Instant::now(), SystemTime::now());
        if let Some(identity) = hash.and_then(|hash| self.verified.get(hash, now, time)) {
            return Ok(identity);
        }
        let (header, issuer) = self.read_unverified(token)?;
        let Some(issuer) = issuer else { return self.verify_otherwise(token) };
        let keys = self.verified.key_generation();
        let identity = issuer.verify(token, &header)?;
        if let Some(hash) = hash.filter(|_| issuer.has_public_keys())
            && let Some(expires) = issuer.expiry(&identity)
        {
            self.verified.insert(keys, hash, &identity, expires, now);
        }
        Ok(identity)
    }

    /// Reads the header of a token, and finds the issuer that it names. Nothing of it is verified.
    fn read_unverified(&self, token: &str) -> Result<(Header, Option<&Issuer>), TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let unverified: Unverified = insecure_decode_claims(token).map_err(|_| TokenError::Malformed)?;
        let named = unverified.iss.as_ref().and_then(Value::as_str);
        Ok((header, named.and_then(|name| self.find(name))))
    }

    fn find(&self, issuer: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|known| known.name() == issuer)
    }

    /// Has the key of a token that was refused fetched, if its issuer's keys are fetched and it is not among them.
    fn keys_of(&self, token: &str) -> Option<BoxFuture<'static, ()>> {
        if !self.issuers.iter().any(Issuer::is_fetched) {
            return None;
        }
        let (header, issuer) = self.read_unverified(token).ok()?;
        issuer?.fetch_key(&header)
    }

    fn verify_otherwise(&self, token: &str) -> Result<Identity, TokenError> {
        let tokens = self.otherwise.as_ref().ok_or(TokenError::UnknownIssuer)?;
        tokens.verify(token).map_err(|error| match error {
            // It is most likely a token of an issuer that has public keys.
            TokenError::Algorithm if !self.issuers.is_empty() => TokenError::UnknownIssuer,
            error => error,
        })
    }
}

impl Authenticate for Issuers {
    fn authenticate(&self, request: &Parts) -> Authentication {
        authenticate_token(request, |token| self.verify(token))
    }

    fn ready(&self, request: &Parts) -> Option<BoxFuture<'static, ()>> {
        self.keys_of(&bearer_token(request)?)
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("Bearer"))
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
