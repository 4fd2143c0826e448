//! Which keys of an issuer can be used.

use signalhub::connections::{KeySet, KeySetError, TokenAlgorithm};

use crate::configuration::TokenIssuer;

/// Why the keys of an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFault {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Unusable(#[from] KeySetError),
    #[error("it has no key for {}", .0.iter().map(|algorithm| format!("{algorithm:?}")).collect::<Vec<_>>().join(", "))]
    NoKeyFor(Vec<TokenAlgorithm>),
    #[error("{0}")]
    Authorities(#[from] signalhub_tls_client::CaError),
}

/// Returns the keys if one of them is for an algorithm that the issuer may use.
///
/// # Errors
/// If there is no such key.
pub(crate) fn check_algorithms(settings: &TokenIssuer, keys: KeySet) -> Result<KeySet, KeyFault> {
    let algorithms = settings.accepted_algorithms();
    match algorithms.iter().any(|algorithm| keys.supports(*algorithm)) {
        true => Ok(keys),
        false => Err(KeyFault::NoKeyFor(algorithms)),
    }
}
