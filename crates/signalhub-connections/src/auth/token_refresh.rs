//! How the token of an open connection is replaced over the connection itself.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::auth::identity::Renewal;
use crate::request::remote_address::RemoteAddress;

/// Verifies the tokens that clients send over their connections. An endpoint verifies them like those of requests.
pub(crate) trait VerifyToken: Send + Sync {
    fn verify<'a>(
        &'a self,
        token: &'a str,
        remote: Option<RemoteAddress>,
    ) -> BoxFuture<'a, Result<Renewal, RefreshError>>;
}

/// Why the token of a connection was not replaced. The client may read the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The new token is not valid, for this reason.
    #[error("{0}")]
    InvalidToken(Cow<'static, str>),
    /// A policy of the endpoint does not admit the user with the new token.
    #[error("the token does not permit this hub")]
    Forbidden,
    /// The new token is of another user or another organisation than the connection.
    #[error("the token is of another user")]
    OtherUser,
    /// Too many wrong tokens came from the address of the client. It may try again after this time.
    #[error("too many wrong tokens came from this address: try again in {} s", .0.as_secs() + 1)]
    TooManyGuesses(Duration),
    /// The endpoint of the connection reads no tokens in `Authorization`.
    #[error("the hub does not use tokens")]
    Unsupported,
}
