//! What the claims of a verified token say about its bearer.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::auth::claim_path::ClaimPath;
use crate::auth::identity::Identity;
use crate::auth::token::TokenError;

/// The clock difference that is tolerated by default when the times of a token are checked.
pub(super) const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// Makes an identity of the claims of a verified token.
pub(super) struct ClaimReader {
    pub(super) user: ClaimPath,
    pub(super) organisation: ClaimPath,
    /// Reads the text that names a user or an organisation.
    pub(super) text: fn(&Value) -> Option<&str>,
    pub(super) leeway: Duration,
    pub(super) rules: Vec<ClaimRule>,
}

/// What a claim must be in every token that has it.
pub(super) struct ClaimRule {
    pub(super) name: &'static str,
    pub(super) expected: &'static str,
    pub(super) is_good: fn(&Value) -> bool,
}

impl Default for ClaimReader {
    fn default() -> Self {
        let (user, organisation) = (ClaimPath::name("sub"), ClaimPath::name("org"));
        Self { user, organisation, text: Value::as_str, leeway: DEFAULT_LEEWAY, rules: Vec::new() }
    }
}

impl ClaimReader {
    /// Reads user, organisation and expiry, and checks the claims that have rules.
    pub(super) fn identity(&self, claims: Map<String, Value>) -> Result<Identity, TokenError> {
        let text =
            |path: &ClaimPath| path.find(&claims).map(|claim| (self.text)(claim).filter(|text| !text.is_empty()));
        let user = text(&self.user).flatten().ok_or(TokenError::NoUser)?;
        let expires = claims.get("exp").and_then(Value::as_f64).ok_or(TokenError::Malformed)?;
        let mut identity = Identity::user(user);
        if let Some(organisation) = text(&self.organisation) {
            let expected = "a text that is not empty";
            let wrong = || TokenError::Claim { name: self.organisation.to_string().into(), expected };
            identity = identity.with_organisation(organisation.ok_or_else(wrong)?);
        }
        let is_wrong = |rule: &&ClaimRule| claims.get(rule.name).is_some_and(|claim| !(rule.is_good)(claim));
        if let Some(rule) = self.rules.iter().find(is_wrong) {
            return Err(TokenError::Claim { name: rule.name.into(), expected: rule.expected });
        }
        // A time that the clock cannot express never comes.
        let lifetime = Duration::try_from_secs_f64(expires).unwrap_or(Duration::MAX);
        // A token that is accepted within the leeway also opens a connection for that time. Otherwise the connection would
        // end at once, and its client would connect again.
        let lifetime = lifetime.saturating_add(self.leeway);
        if let Some(expires) = SystemTime::UNIX_EPOCH.checked_add(lifetime) {
            identity = identity.with_expiry(expires);
        }
        Ok(identity.with_claims(claims))
    }
}
