//! How an endpoint learns who a client is.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderValue;
use http::request::Parts;

use crate::auth::identity::Identity;

/// Reads the credentials of a request.
///
/// An endpoint asks it once for every HTTP request: negotiate, upgrade, each poll and each send. The original challenges
/// each of them apart too.
pub trait Authenticate: Send + Sync + 'static {
    /// Judges the credentials of one request head.
    fn authenticate(&self, request: &Parts) -> Authentication;

    /// The `WWW-Authenticate` header of a 401, if there is one.
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
    /// The credentials are good.
    Identified(Identity),
    /// There are none.
    Missing,
    /// There are some that were good, and they have expired.
    Expired,
    /// There are some that are genuine, and they are not valid here or not as they are, so that nobody has guessed them; the
    /// text is for the log and holds no part of them.
    Unacceptable(Cow<'static, str>),
    /// There are some, and they are not valid; the text is for the log and holds no part of them.
    Invalid(Cow<'static, str>),
}
