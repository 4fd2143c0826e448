//! How an endpoint finds out who a client is.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;

use crate::auth::identity::Identity;

/// Reads the credentials of a request.
///
/// An endpoint calls it once for every HTTP request: negotiate, upgrade, each poll and each POST, as the original does.
pub trait Authenticate: Send + Sync + 'static {
    /// Checks the credentials of one request. If it panics, the client gets 500.
    fn authenticate(&self, request: &Parts) -> Authentication;

    /// The `WWW-Authenticate` header of a 401. None by default.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }
}

/// Shares one of them between endpoints.
impl<A: Authenticate + ?Sized> Authenticate for Arc<A> {
    fn authenticate(&self, request: &Parts) -> Authentication {
        A::authenticate(self, request)
    }

    fn challenge(&self) -> Option<HeaderValue> {
        A::challenge(self)
    }
}

/// The outcome of [`Authenticate::authenticate`].
#[derive(Clone, Debug)]
pub enum Authentication {
    /// The credentials are valid.
    Identified(Identity),
    /// The request has no credentials.
    Missing,
    /// The credentials are genuine and have expired.
    Expired,
    /// The credentials are genuine, so they were not guessed, but they are not valid here. The text is for the log and must
    /// contain no part of them.
    Unacceptable(Cow<'static, str>),
    /// The credentials are not valid. The text is for the log and must contain no part of them.
    Invalid(Cow<'static, str>),
}
