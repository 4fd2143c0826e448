//! Who is at the other end, and what the application asks of them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::Claims;

/// What authentication found out about a client.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Identity {
    /// The user, by which hubs address all connections of one person. `None` is an anonymous client.
    pub user: Option<Arc<str>>,
    /// The organisation that bounds what the client may see.
    pub organisation: Option<Arc<str>>,
    /// All claims of the credentials, as their issuer wrote them.
    pub claims: Claims,
    /// When the credentials end.
    pub expires: Option<SystemTime>,
}

impl Identity {
    /// Makes the identity of a client without credentials.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Makes the identity of a known user.
    pub fn user(name: impl Into<Arc<str>>) -> Self {
        Self { user: Some(name.into()), ..Self::default() }
    }

    /// Adds the organisation.
    #[must_use]
    pub fn with_organisation(mut self, organisation: impl Into<Arc<str>>) -> Self {
        self.organisation = Some(organisation.into());
        self
    }

    /// Adds the claims.
    #[must_use]
    pub fn with_claims(mut self, claims: Map<String, Value>) -> Self {
        self.claims = Claims::new(claims);
        self
    }

    /// Adds the time at which the credentials end.
    #[must_use]
    pub fn with_expiry(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }
}

/// A condition on an identity: for a whole endpoint or for one hub method.
#[derive(Clone)]
pub struct Policy(Arc<dyn Fn(&Identity) -> bool + Send + Sync>);

impl Policy {
    /// Admits every identity that the condition holds for.
    pub fn new(condition: impl Fn(&Identity) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(condition))
    }

    /// Admits every client whose user is known.
    pub fn authenticated() -> Self {
        Self::new(|identity| identity.user.is_some())
    }

    /// Tells whether the identity is admitted.
    pub fn admits(&self, identity: &Identity) -> bool {
        (self.0)(identity)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policy(..)")
    }
}
