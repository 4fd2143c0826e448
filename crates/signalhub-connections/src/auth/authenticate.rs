//! How an endpoint finds out who a client is.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, Response};

use crate::auth::identity::Identity;

/// Reads the credentials of a request.
///
/// An endpoint calls it once for every HTTP request: negotiate, upgrade, each poll and each POST, as the original does.
pub trait Authenticate: Send + Sync + 'static {
    /// Checks the credentials of one request. If it panics, the client gets 500.
    fn authenticate(&self, request: &Parts) -> Authentication;

    /// Tells when credentials that are [`Authentication::Invalid`] or [`Authentication::Unacceptable`] should be checked
    /// again, such as when the keys of an identity provider have been fetched. The request waits for the future and is
    /// authenticated once more, so the future must complete in a short time. `None`, the default, refuses the request at once.
    ///
    /// It is not called for valid credentials, so these wait for nothing.
    fn ready(&self, request: &Parts) -> Option<BoxFuture<'static, ()>> {
        let _ = request;
        None
    }

    /// Asks once more whether a client that was [identified](Authentication::Identified) may connect, where the answer takes
    /// time, such as from a store that several servers share. The request waits for the future, which must complete in a short
    /// time; its outcome replaces the first one. `None`, the default, accepts the identity at once.
    fn confirm(&self, identity: &Identity) -> Option<BoxFuture<'static, Authentication>> {
        let _ = identity;
        None
    }

    /// The `WWW-Authenticate` header of a 401. None by default.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }

    /// The answer to this request if it has no valid credentials, instead of an empty one; its status becomes 401.
    fn refusal(&self, _request: &Parts) -> Option<Response<Bytes>> {
        None
    }
}

/// Shares one of them between endpoints.
impl<A: Authenticate + ?Sized> Authenticate for Arc<A> {
    fn authenticate(&self, request: &Parts) -> Authentication {
        A::authenticate(self, request)
    }

    fn ready(&self, request: &Parts) -> Option<BoxFuture<'static, ()>> {
        A::ready(self, request)
    }

    fn confirm(&self, identity: &Identity) -> Option<BoxFuture<'static, Authentication>> {
        A::confirm(self, identity)
    }

    fn challenge(&self) -> Option<HeaderValue> {
        A::challenge(self)
    }

    fn refusal(&self, request: &Parts) -> Option<Response<Bytes>> {
        A::refusal(self, request)
    }
}

/// Checks the credentials of one request. If they are refused and may be accepted later ([`Authenticate::ready`]), waits and
/// checks them once more. If they are accepted, and the client may connect only after a further question
/// ([`Authenticate::confirm`]), waits for its answer.
pub(crate) async fn authenticate_when_ready(reader: &dyn Authenticate, request: &Parts) -> Authentication {
    let outcome = match reader.authenticate(request) {
        refused @ (Authentication::Invalid(_) | Authentication::Unacceptable(_)) => match reader.ready(request) {
            Some(ready) => {
                drop(refused);
                ready.await;
                reader.authenticate(request)
            }
            None => return refused,
        },
        other => other,
    };
    let confirmation = match &outcome {
        Authentication::Identified(identity) => reader.confirm(identity),
        _ => None,
    };
    match confirmation {
        None => outcome,
        Some(confirmation) => {
            drop(outcome);
            confirmation.await
        }
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
    /// The credentials are not valid here, and they do not count as a guess: they are genuine, or they cannot be checked. The
    /// text is for the log and must contain no part of them.
    Unacceptable(Cow<'static, str>),
    /// The credentials are not valid. The text is for the log and must contain no part of them.
    Invalid(Cow<'static, str>),
    /// The credentials are valid, and their client may not connect now. It gets this answer.
    Denied(Box<Response<Bytes>>),
}
