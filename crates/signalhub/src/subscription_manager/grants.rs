//! What a token grants: its `grants` claim.

use serde::Deserialize;
use serde_json::Value;
use signalhub_connections::Claims;
use signalhub_events::{Action, Grant, Grants, Pattern};

use crate::error::HubError;

/// The claim's name.
const CLAIM: &str = "grants";

/// One grant, as a token writes it: `{"e":"portos.*","r":"tickets","a":["created"]}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantClaim {
    /// The event, which may end in `*`.
    e: String,
    /// The resource, which may end in `*`; absent is any.
    r: Option<String>,
    /// The actions; absent is any.
    a: Option<Vec<String>>,
}

/// Reads the grants of a token; `None` when it says nothing about them.
///
/// A claim that cannot be read grants nothing: guessing what an issuer meant would open doors.
pub(super) fn of_claims(claims: &Claims) -> Result<Option<Grants>, HubError> {
    let Some(claim) = claims.get(CLAIM) else {
        return Ok(None);
    };
    let grants =
        read(&claim).map_err(|error| HubError::new(format!("the grants of the token cannot be read: {error}")))?;
    Ok(Some(Grants::Only(grants)))
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
    grants.into_iter().map(GrantClaim::parse).collect()
}

impl GrantClaim {
    fn parse(self) -> Result<Grant, String> {
        let pattern = |text: String| text.parse::<Pattern>().map_err(|error| error.to_string());
        let mut grant = Grant::new(pattern(self.e)?);
        if let Some(resource) = self.r {
            grant = grant.with_resource(pattern(resource)?);
        }
        if let Some(actions) = self.a {
            let actions: Result<Vec<Action>, _> = actions.iter().map(|action| action.parse()).collect();
            grant = grant.with_actions(actions.map_err(|error| error.to_string())?);
        }
        Ok(grant)
    }
}
