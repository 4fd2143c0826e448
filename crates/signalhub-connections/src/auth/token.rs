//! The verification of a token: its signature, its times, and what is wrong with it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Map, Value};

/// How many characters of a key id are repeated in an error.
const MAX_ID_IN_ERROR: usize = 64;

/// Verifies the signature of a token and what `validation` asks for, and returns its claims.
pub(super) fn verified_claims(
    token: &str,
    key: &DecodingKey,
    validation: &Validation,
) -> Result<Map<String, Value>, TokenError> {
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, validation)
        .map_err(|error| TokenError::from_kind(error.kind()))?;
    if has_critical_extensions(token) {
        return Err(TokenError::Critical);
    }
    Ok(decoded.claims)
}

/// Tells whether the header of a token, which was decoded before, has the member `crit`, whatever its value: `null` is not a
/// valid list of extensions.
fn has_critical_extensions(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let members = URL_SAFE_NO_PAD.decode(header).ok().and_then(|json| serde_json::from_slice::<Map<_, _>>(&json).ok());
    members.is_none_or(|members: Map<String, Value>| members.contains_key("crit"))
}

/// Why a token is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Its expiry (`exp`) has passed.
    #[error("the token has expired")]
    Expired,
    /// Its start (`nbf`) has not come.
    #[error("the token is not valid yet")]
    TooEarly,
    /// It was signed with another key.
    #[error("the signature does not match")]
    Signature,
    /// Its algorithm is not a configured one.
    #[error("the algorithm is not accepted")]
    Algorithm,
    /// No issuer of its name is configured.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// Its issuer has no key with the id that it names for its algorithm.
    #[error("{}", describe_missing_key(.id.as_deref()))]
    NoKey {
        /// The id (`kid`).
        id: Option<Box<str>>,
    },
    /// The keys of its issuer were not fetched yet, or are too old.
    #[error("key set not loaded")]
    KeysNotLoaded,
    /// It is for another audience, or of another issuer.
    #[error("the issuer or the audience is not accepted")]
    WrongIssuerOrAudience,
    /// It names no user: the claim is missing, empty or not a text.
    #[error("the token names no user")]
    NoUser,
    /// A claim has a value that is not accepted.
    #[error("the claim \"{name}\" of the token must be {expected}")]
    Claim {
        /// The name of the claim.
        name: Arc<str>,
        /// What is accepted.
        expected: &'static str,
    },
    /// It needs extensions (`crit`; RFC 7515, section 4.1.11), and no extension is supported.
    #[error("the token needs extensions that are not known (crit)")]
    Critical,
    /// It is not a token.
    #[error("the token is malformed")]
    Malformed,
}

impl TokenError {
    /// Tells whether the signature is good and something else is not, so that the token is not a guess.
    pub fn is_genuine(&self) -> bool {
        match self {
            Self::Expired
            | Self::TooEarly
            | Self::WrongIssuerOrAudience
            | Self::NoUser
            | Self::Claim { .. }
            | Self::Critical => true,
            Self::Signature
            | Self::Algorithm
            | Self::UnknownIssuer
            | Self::NoKey { .. }
            | Self::KeysNotLoaded
            | Self::Malformed => false,
        }
    }

    /// Tells whether the token counts as a guess: it was checked and is not genuine.
    pub fn is_guess(&self) -> bool {
        !self.is_genuine() && *self != Self::KeysNotLoaded
    }

    /// A short name for metrics, without what the token contains.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::TooEarly => "not_valid_yet",
            Self::Signature => "signature",
            Self::Algorithm => "algorithm",
            Self::UnknownIssuer => "unknown_issuer",
            Self::NoKey { .. } => "no_key",
            Self::KeysNotLoaded => "keys_not_loaded",
            Self::WrongIssuerOrAudience => "wrong_issuer_or_audience",
            Self::NoUser => "no_user",
            Self::Claim { .. } => "claim",
            Self::Critical => "critical_extension",
            Self::Malformed => "malformed",
        }
    }

    /// Translates an error of [`jsonwebtoken::decode`].
    fn from_kind(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::TooEarly,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::MissingAlgorithm => {
                Self::Algorithm
            }
            ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer => Self::WrongIssuerOrAudience,
            // These are checked after the signature.
            ErrorKind::InvalidClaimFormat(name) | ErrorKind::MissingRequiredClaim(name) => {
                Self::Claim { name: name.as_str().into(), expected: "present, with the type that RFC 7519 gives it" }
            }
            _ => Self::Malformed,
        }
    }
}

fn describe_missing_key(id: Option<&str>) -> String {
    match id {
        Some(id) => format!("no key {:?}", id.chars().take(MAX_ID_IN_ERROR).collect::<String>()),
        None => "no key for the algorithm".to_owned(),
    }
}
