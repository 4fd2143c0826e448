//! The verification of tokens, as it is configured: issuers, their keys and their rules.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use portos_notifications::GRANTS_CLAIM;
use signalhub::connections::{ClaimPath, Issuer, Issuers, KeySet, KeySetError, TokenAlgorithm};
use signalhub::{BearerToken, is_grants_claim};

use crate::configuration::{Auth, KeyFile, SigningSecret, TokenIssuer};
use crate::http_api::publish::authorize;

/// What the claim with grants must be.
const GRANTS_EXPECTED: &str = "a list of grants, as [{\"e\": \"portos.*\"}]";

/// The configured verification of tokens.
#[derive(Clone, Debug)]
pub(crate) struct TokenVerifier {
    pub(crate) tokens: Arc<Issuers>,
    /// The keys that are not used, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Why the keys of an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("\"auth.issuers[{index}].{key}\": {}{reason}", .file.as_ref().map_or_else(String::new, |file| format!("{}: ", file.display())))]
pub struct IssuerKeyError {
    index: usize,
    key: &'static str,
    file: Option<PathBuf>,
    reason: KeyFault,
}

#[derive(Debug, thiserror::Error)]
enum KeyFault {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Unusable(#[from] KeySetError),
    #[error("it has no key for {}", .0.iter().map(|algorithm| format!("{algorithm:?}")).collect::<Vec<_>>().join(", "))]
    NoKeyFor(Vec<TokenAlgorithm>),
}

/// Reads the keys of all issuers. `None` if neither an issuer nor a secret is configured.
///
/// # Errors
/// If the keys of an issuer cannot be read, or none of them can be used.
pub(crate) fn configured(auth: &Auth) -> Result<Option<TokenVerifier>, IssuerKeyError> {
    if !auth.has_keys() {
        return Ok(None);
    }
    let (mut tokens, mut warnings) = (Issuers::new(), Vec::new());
    for (index, settings) in auth.issuers.iter().enumerate() {
        let (key, keys) = keys(settings);
        let file = || settings.key_file().map(|file| file.path().to_owned());
        let keys = keys.and_then(|keys| check_algorithms(settings, keys));
        let keys = keys.map_err(|reason| IssuerKeyError { index, key, file: file(), reason })?;
        let place = file().map_or_else(String::new, |file| format!(" ({})", file.display()));
        warnings.extend(keys.skipped().iter().map(|skipped| format!("auth.issuers[{index}].{key}{place}: {skipped}")));
        tokens = tokens.with(issuer(auth, settings, keys));
    }
    if let Some(secret) = &auth.secret {
        tokens = tokens.otherwise(bearer(auth, secret));
    }
    Ok(Some(TokenVerifier { tokens: Arc::new(tokens), warnings }))
}

/// Reads the keys of an issuer, and tells which configuration key names them.
fn keys(settings: &TokenIssuer) -> (&'static str, Result<KeySet, KeyFault>) {
    let read = |file: &KeyFile, parse: fn(&[u8]) -> Result<KeySet, KeySetError>| {
        let mut text = Vec::new();
        // One byte more than is allowed tells that a file is too long.
        let limit = KeySet::MAX_BYTES as u64 + 1;
        File::open(file.path())?.take(limit).read_to_end(&mut text)?;
        Ok(parse(&text)?)
    };
    match (&settings.jwks, &settings.pem, &settings.secret) {
        (Some(file), _, _) => ("jwks", read(file, KeySet::from_jwks)),
        (None, Some(file), _) => ("pem", read(file, KeySet::from_pem)),
        (None, None, secret) => {
            let secret = secret.as_ref().map_or("", SigningSecret::reveal);
            ("secret", KeySet::from_secret(secret.as_bytes()).map_err(KeyFault::from))
        }
    }
}

fn check_algorithms(settings: &TokenIssuer, keys: KeySet) -> Result<KeySet, KeyFault> {
    let algorithms = settings.accepted_algorithms();
    match algorithms.iter().any(|algorithm| keys.supports(*algorithm)) {
        true => Ok(keys),
        false => Err(KeyFault::NoKeyFor(algorithms)),
    }
}

fn issuer(auth: &Auth, settings: &TokenIssuer, keys: KeySet) -> Issuer {
    let path = |own: &Option<ClaimPath>, common: &str| own.clone().unwrap_or_else(|| ClaimPath::name(common));
    let mut issuer = Issuer::new(&settings.issuer, keys)
        .algorithms(settings.accepted_algorithms())
        .audiences(&settings.audience.0)
        .audience_claim(settings.audience_claim.clone())
        .leeway(settings.leeway.unwrap_or(auth.leeway).time())
        .user_claim(path(&settings.user_claim, &auth.user_claim))
        .organisation_claim(path(&settings.organisation_claim, &auth.organisation_claim))
        // A token with a claim that cannot be read is invalid for every purpose.
        .claim(GRANTS_CLAIM, GRANTS_EXPECTED, is_grants_claim)
        .claim(authorize::CLAIM, authorize::CLAIM_EXPECTED, authorize::is_publish_claim);
    for (name, path) in [(GRANTS_CLAIM, &settings.grants_claim), (authorize::CLAIM, &settings.publish_claim)] {
        if let Some(path) = path {
            issuer = issuer.claim_from(name, path.clone());
        }
    }
    if let Some(roles) = &settings.roles_claim {
        issuer = issuer.claim_by_role(GRANTS_CLAIM, roles.clone(), settings.grants_by_role.claims());
    }
    settings.required.0.iter().fold(issuer, |issuer, (path, value)| issuer.require(path.clone(), value.clone()))
}

fn bearer(auth: &Auth, secret: &SigningSecret) -> BearerToken {
    let mut bearer = BearerToken::hs256(secret.reveal().as_bytes())
        .leeway(auth.leeway.time())
        .user_claim(&auth.user_claim)
        .organisation_claim(&auth.organisation_claim)
        // A token with a claim that cannot be read is invalid for every purpose.
        .claim(GRANTS_CLAIM, GRANTS_EXPECTED, is_grants_claim)
        .claim(authorize::CLAIM, authorize::CLAIM_EXPECTED, authorize::is_publish_claim);
    if let Some(issuer) = &auth.issuer {
        bearer = bearer.issuer(issuer);
    }
    if let Some(audience) = &auth.audience {
        bearer = bearer.audience(audience);
    }
    bearer
}

#[cfg(test)]
mod tests;
