//! Grants as the command line and the configuration write them.

use portos_notifications::{GrantClaim, broker};

/// Reads a grant as the command line writes it: `event[:resource[:action,…]]`, where an empty resource is any, or the JSON object of the
/// claim.
///
/// # Errors
/// Says what a server would refuse.
pub fn parse_grant(text: &str) -> Result<GrantClaim, String> {
    let claim: GrantClaim = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        let mut parts = text.splitn(3, ':');
        let event = parts.next().unwrap_or_default().to_owned();
        let resource = parts.next().filter(|resource| !resource.is_empty()).map(str::to_owned);
        let actions = parts.next().map(|actions| actions.split(',').map(str::to_owned).collect());
        GrantClaim { event, resource, actions }
    };
    broker::grant(&claim).map_err(|error| error.to_string())?;
    Ok(claim)
}

#[cfg(test)]
mod tests;
