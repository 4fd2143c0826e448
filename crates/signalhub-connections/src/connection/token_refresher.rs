//! `TokenRefresher`: replaces the token of an open connection.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::auth::identity::{Identity, Principal};
use crate::auth::revocation::RevocationTable;
use crate::auth::token_refresh::{RefreshError, VerifyToken};
use crate::outbound::SendQueue;
use crate::request::remote_address::RemoteAddress;

/// Replaces the token of one connection with another one that its client has sent, without a new connection.
/// [`Connection::token_refresher`](crate::Connection::token_refresher) makes it.
pub struct TokenRefresher {
    pub(super) verifier: Option<Arc<dyn VerifyToken>>,
    pub(super) send_queue: Arc<SendQueue>,
    pub(super) principal: Principal,
    pub(super) remote: Option<RemoteAddress>,
    pub(super) revocations: Option<Arc<RevocationTable>>,
}

impl TokenRefresher {
    /// Verifies a token as the endpoint of the connection does for each request: with its
    /// [`Authenticate`](crate::Authenticate), which gets a request that has the token in `Authorization` and no other header,
    /// and with its policies. A wrong token counts as a guess of the client's address
    /// ([`Endpoint::guess_limit`](crate::Endpoint::guess_limit)).
    ///
    /// The token must be of the user and the organisation of the connection. Then the connection gets
    /// [`Received::Renewed`](crate::Received::Renewed) next, and expires when the new token does.
    ///
    /// # Errors
    /// Why the token was refused. The connection keeps what it has.
    pub async fn refresh(&self, token: &str) -> Result<Arc<Identity>, RefreshError> {
        let verifier = self.verifier.as_ref().ok_or(RefreshError::Unsupported)?;
        let renewal = verifier.verify(token, self.remote).await?;
        if Principal::of(&renewal.identity) != self.principal {
            return Err(RefreshError::OtherUser);
        }
        if self.revocations.as_ref().is_some_and(|table| table.contains(&renewal.identity, Instant::now())) {
            return Err(RefreshError::InvalidToken("the token has been revoked".into()));
        }
        let identity = Arc::clone(&renewal.identity);
        self.send_queue.renew(renewal);
        Ok(identity)
    }
}

impl fmt::Debug for TokenRefresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRefresher").field("user", &self.principal.user).finish_non_exhaustive()
    }
}
