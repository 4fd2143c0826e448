//! How many tokens were verified, by outcome.

use std::sync::atomic::{AtomicU64, Ordering};

use super::token::TokenError;

/// Counts verified tokens by outcome.
#[derive(Debug, Default)]
pub(super) struct TokenCounts([AtomicU64; Self::LABELS.len()]);

impl TokenCounts {
    /// The first stands for a valid token, the others are those of [`TokenError::label`].
    pub(super) const LABELS: [&'static str; 13] = [
        "ok",
        "expired",
        "not_valid_yet",
        "signature",
        "algorithm",
        "unknown_issuer",
        "no_key",
        "keys_not_loaded",
        "wrong_issuer_or_audience",
        "no_user",
        "claim",
        "critical_extension",
        "malformed",
    ];

    pub(super) fn count(&self, error: Option<&TokenError>) {
        let label = error.map_or("ok", TokenError::label);
        if let Some((_, counter)) = Self::LABELS.iter().zip(&self.0).find(|(known, _)| **known == label) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> [(&'static str, u64); Self::LABELS.len()] {
        std::array::from_fn(|index| (Self::LABELS[index], self.0[index].load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_count() {
        let counts = TokenCounts::default();
        counts.count(None);
        let errors = [
            TokenError::Expired,
            TokenError::TooEarly,
            TokenError::Signature,
            TokenError::Algorithm,
            TokenError::UnknownIssuer,
            TokenError::NoKey { id: None },
            TokenError::KeysNotLoaded,
            TokenError::WrongIssuerOrAudience,
            TokenError::NoUser,
            TokenError::Claim { name: "iat".into(), expected: "a time" },
            TokenError::Critical,
            TokenError::Malformed,
        ];
        errors.iter().for_each(|error| counts.count(Some(error)));
        assert!(counts.read().iter().all(|(_, count)| *count == 1), "{:?}", counts.read());
    }
}
