//! Authentication: who a client is, and what its credentials allow.

mod attachment;
pub(crate) mod authenticate;
pub(crate) mod bearer;
pub(crate) mod claim_path;
mod claim_reader;
pub(crate) mod claims;
pub(crate) mod guess_limit;
pub(crate) mod identity;
pub(crate) mod issuer;
pub(crate) mod issuers;
pub(crate) mod key_set;
pub(crate) mod key_source;
pub(crate) mod revocation;
#[cfg(test)]
pub(crate) mod test_keys;
pub(crate) mod ticket;
pub(crate) mod token;
mod token_counts;
pub(crate) mod token_refresh;
mod verified_tokens;
