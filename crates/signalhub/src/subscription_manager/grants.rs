//! Reads the `grants` claim of a token.

use portos_notifications::{GRANTS_CLAIM, GrantClaim, broker};
use serde::Deserialize;
use serde_json::Value;
use signalhub_connections::Claims;
use signalhub_events::{Grant, Grants};

use crate::error::HubError;

/// Reads the grants of a token; `None` if it has no `grants` claim.
///
/// # Errors
/// When the claim cannot be read. It grants nothing then: no part of it is guessed.
pub(super) fn of_claims(claims: &Claims) -> Result<Option<Grants>, HubError> {
    let unreadable = |error: String| HubError::new(format!("the grants of the token cannot be read: {error}"));
    let Some(claim) = claims.get::<Value>(GRANTS_CLAIM).map_err(|error| unreadable(error.to_string()))? else {
        return Ok(None);
    };
    Ok(Some(Grants::Only(read(&claim).map_err(unreadable)?)))
}

/// Tells whether a hub with [events](crate::HubBuilder::events) can read such a `grants` claim.
///
/// With [`BearerToken::claim`](crate::BearerToken::claim), a token whose grants cannot be read is not valid:
///
/// ```
/// # use signalhub::{BearerToken, is_grants_claim};
/// # let secret = b"a secret of at least thirty-two bytes";
/// let tokens = BearerToken::hs256(secret).claim("grants", "a list of grants", is_grants_claim);
/// ```
pub fn is_grants_claim(claim: &Value) -> bool {
    read(claim).is_ok()
}

fn read(claim: &Value) -> Result<Vec<Grant>, String> {
    let grants = Vec::<GrantClaim>::deserialize(claim).map_err(|error| error.to_string())?;
    grants.iter().map(broker::grant).collect::<Result<_, _>>().map_err(|error| error.to_string())
}
