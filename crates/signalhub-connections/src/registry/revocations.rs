//! `Revocations`: refuses credentials before they expire.

use std::sync::Arc;
use std::time::Duration;

use super::Registry;
use crate::auth::identity::Identity;
use crate::auth::revocation::{Revocation, RevokeError};

/// Revokes credentials of a running server before they expire. [`Server::revocations`](crate::Server::revocations) makes it.
///
/// Revoked credentials are refused with 401, in every request: a token that was verified a moment ago, a ticket, a refresh, and the
/// request that resumes a connection, too. Revocations are kept in memory, at most 100 000, and do not outlive the server.
#[derive(Clone, Debug)]
pub struct Revocations(pub(crate) Arc<Registry>);

impl Revocations {
    /// Refuses credentials from now on, and closes the live connections that have them: their handlers get
    /// [`Received::Aborted`](crate::Received::Aborted), so clients of a hub get a Close message that does not let them reconnect.
    /// It waits for none of them.
    ///
    /// The revocation is kept for the time `memory`, which should be the longest lifetime of credentials: what lives longer is
    /// accepted again afterwards.
    ///
    /// # Errors
    /// If the time of the revocation is in the future, or there are too many revocations.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn revoke(&self, revocation: &Revocation, memory: Duration) -> Result<(), RevokeError> {
        self.0.revoke(revocation, memory)
    }

    /// Tells whether credentials are revoked, for requests that no endpoint of the server checks.
    pub fn is_revoked(&self, identity: &Identity) -> bool {
        self.0.is_revoked(identity)
    }
}
