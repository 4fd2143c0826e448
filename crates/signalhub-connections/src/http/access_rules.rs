//! Who may use an endpoint: credentials, policies, and what wrong credentials cost.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use tokio::time::Instant;

use crate::auth::authenticate::{Authenticate, Authentication, authenticate_when_ready};
use crate::auth::bearer::authorization_token;
use crate::auth::guess_limit::GuessLimit;
use crate::auth::identity::{Identity, Policy, Renewal};
use crate::auth::token::TokenError;
use crate::auth::token_refresh::{RefreshError, VerifyToken};
use crate::counts::client_errors::ClientError;
use crate::registry::TicketError;
use crate::request::remote_address::RemoteAddress;

/// Decides which requests an endpoint admits, and as whom. By default all are admitted, as anonymous.
#[derive(Default)]
pub(crate) struct AccessRules {
    /// Reads credentials.
    pub(super) authenticate: Option<Arc<dyn Authenticate>>,
    /// All of them must admit the identity.
    pub(super) policies: Vec<Policy>,
    /// Limits how many wrong credentials may come from one address.
    pub(super) guesses: Option<GuessLimit>,
    pub(super) expiry: ExpiredCredentials,
}

/// What happens to a connection whose credentials expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiredCredentials {
    /// The connection stays open (the original's default).
    #[default]
    Ignore,
    /// The connection is closed; its client may reconnect with new credentials (`CloseOnAuthenticationExpiration`).
    Close,
}

/// What the credentials of a request are.
struct Credentials {
    identity: Arc<Identity>,
    /// What is wrong if they are not valid, or if a policy asks for a user and they name none.
    fault: Fault,
    are_valid: bool,
}

/// What is wrong with the credentials of a request.
struct Fault {
    error: ClientError,
    /// For the log.
    why: Cow<'static, str>,
    /// Whether they may be a guess.
    guessed: bool,
}

/// Why a request is not admitted.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 401: the client is not authenticated.
    Unauthenticated(ClientError, Cow<'static, str>),
    /// 429: too many wrong credentials came from this address; until it may try again.
    TooManyGuesses(Duration),
    /// 403: a policy does not admit the client.
    Forbidden,
    /// The application does not let the client connect now, and answers in its own words.
    Denied(Box<Response<Bytes>>),
}

impl AccessRules {
    pub(crate) fn authenticator(&self) -> Option<&Arc<dyn Authenticate>> {
        self.authenticate.as_ref()
    }

    /// Authenticates a request, and checks the policies. It waits only for credentials that may be accepted later
    /// ([`Authenticate::ready`]). If the request has a ticket, `ticket` is the identity that it stands for, or why it stands
    /// for none.
    pub(crate) async fn admit(
        &self,
        request: &Parts,
        ticket: Option<Result<Arc<Identity>, TicketError>>,
    ) -> Result<Arc<Identity>, Refusal> {
        let Credentials { identity, fault, .. } = match ticket {
            Some(Ok(identity)) => Credentials::valid(identity),
            Some(Err(error)) => Credentials::read(error.into())?,
            None => self.credentials(request).await?,
        };
        match self.is_admitted(&identity) {
            true => Ok(identity),
            false if identity.user.is_none() => Err(self.unauthenticated(request, fault)),
            false => Err(Refusal::Forbidden),
        }
    }

    /// Authenticates a request that brings new credentials for a connection, and checks the policies. The credentials must be
    /// valid, even if the endpoint admits anonymous clients. A ticket is not new credentials.
    pub(crate) async fn admit_renewal(&self, request: &Parts) -> Result<Arc<Identity>, Refusal> {
        let Credentials { identity, fault, are_valid } = self.credentials(request).await?;
        match are_valid && identity.user.is_some() {
            false => Err(self.unauthenticated(request, fault)),
            true if self.is_admitted(&identity) => Ok(identity),
            true => Err(Refusal::Forbidden),
        }
    }

    async fn credentials(&self, request: &Parts) -> Result<Credentials, Refusal> {
        Credentials::read(match &self.authenticate {
            Some(reader) => authenticate_when_ready(&**reader, request).await,
            None => Authentication::Missing,
        })
    }

    fn is_admitted(&self, identity: &Identity) -> bool {
        self.policies.iter().all(|policy| policy.admits(identity))
    }

    fn unauthenticated(&self, request: &Parts, fault: Fault) -> Refusal {
        if fault.guessed
            && let Some(Err(after)) = self.guesses.as_ref().map(|limit| limit.count(request))
        {
            return Refusal::TooManyGuesses(after);
        }
        Refusal::Unauthenticated(fault.error, fault.why)
    }

    /// The credentials of this identity for a connection of the endpoint.
    pub(crate) fn renewal(&self, identity: Arc<Identity>) -> Renewal {
        Renewal { expires: self.closing_time(&identity), identity }
    }

    /// Tells whether a request is authenticated by a bearer token in its `Authorization` header alone. Browsers add
    /// cookies and passwords to requests by themselves, but never bearer tokens.
    pub(crate) fn has_valid_bearer_token(&self, request: &Parts) -> bool {
        let (Some(reader), Some(alone)) = (&self.authenticate, with_bearer_token_alone(request)) else { return false };
        matches!(reader.authenticate(&alone), Authentication::Identified(identity) if identity.user.is_some())
    }

    /// Tells when a bearer token that is not valid should be checked again.
    pub(crate) fn bearer_token_ready(&self, request: &Parts) -> Option<BoxFuture<'static, ()>> {
        self.authenticate.as_ref()?.ready(&with_bearer_token_alone(request)?)
    }

    /// When a connection of this identity is closed because its credentials expire; `None` if it is not.
    pub(crate) fn closing_time(&self, identity: &Identity) -> Option<Instant> {
        match self.expiry {
            ExpiredCredentials::Ignore => None,
            ExpiredCredentials::Close => identity.deadline(),
        }
    }
}

impl Credentials {
    /// The credentials of an identity, which may be anonymous.
    fn valid(identity: Arc<Identity>) -> Self {
        let why = "they name no user".into();
        Self { identity, fault: Fault { error: ClientError::InvalidCredentials, why, guessed: false }, are_valid: true }
    }

    fn read(authentication: Authentication) -> Result<Self, Refusal> {
        let refused = |error, why, guessed| Self {
            identity: Arc::default(),
            fault: Fault { error, why, guessed },
            are_valid: false,
        };
        Ok(match authentication {
            Authentication::Identified(identity) => Self::valid(Arc::new(identity)),
            Authentication::Expired => refused(ClientError::ExpiredCredentials, "the token has expired".into(), false),
            Authentication::Unacceptable(why) => refused(ClientError::InvalidCredentials, why, false),
            Authentication::Invalid(why) => refused(ClientError::InvalidCredentials, why, true),
            Authentication::Denied(answer) => return Err(Refusal::Denied(answer)),
            Authentication::Missing => refused(ClientError::MissingCredentials, "there are none".into(), false),
        })
    }
}

/// A copy of a request that has no other credentials than the bearer token in its `Authorization` header; `None` if it has none.
fn with_bearer_token_alone(request: &Parts) -> Option<Parts> {
    authorization_token(request)?;
    let mut alone = Request::new(()).into_parts().0;
    (alone.method, alone.version) = (request.method.clone(), request.version);
    alone.extensions = request.extensions.clone();
    let headers = request.headers.get_all(AUTHORIZATION).iter();
    alone.headers.extend(headers.map(|value| (AUTHORIZATION, value.clone())));
    Some(alone)
}

impl VerifyToken for AccessRules {
    fn verify<'a>(
        &'a self,
        token: &'a str,
        remote: Option<RemoteAddress>,
    ) -> BoxFuture<'a, Result<Renewal, RefreshError>> {
        Box::pin(async move {
            let malformed = |_| RefreshError::InvalidToken(TokenError::Malformed.to_string().into());
            let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(malformed)?;
            header.set_sensitive(true);
            let mut request = Request::new(()).into_parts().0;
            request.method = Method::POST;
            request.headers.insert(AUTHORIZATION, header);
            if let Some(remote) = remote {
                request.extensions.insert(remote);
            }
            match self.admit_renewal(&request).await {
                Ok(identity) => Ok(self.renewal(identity)),
                Err(Refusal::Unauthenticated(ClientError::MissingCredentials, _)) => Err(RefreshError::Unsupported),
                Err(Refusal::Unauthenticated(_, why)) => Err(RefreshError::InvalidToken(why)),
                Err(Refusal::TooManyGuesses(after)) => Err(RefreshError::TooManyGuesses(after)),
                Err(Refusal::Forbidden | Refusal::Denied(_)) => Err(RefreshError::Forbidden),
            }
        })
    }
}
