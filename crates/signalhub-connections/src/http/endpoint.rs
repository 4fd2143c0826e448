//! A path that takes connections: its handler, who may come, and over which transports.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Request};
use tokio::time::Instant;

use crate::auth::authenticate::{Authenticate, Authentication};
use crate::auth::bearer::authorization_token;
use crate::auth::guess_limit::GuessLimit;
use crate::auth::identity::{Identity, Policy};
use crate::counts::client_errors::ClientError;
use crate::handler::ConnectionHandler;
use crate::http::added_headers::AddedHeaders;
use crate::http::negotiate::NegotiateVersion;
use crate::http::origins::Origins;
use crate::outbound::QueueLimits;
use crate::transport::kind::Transports;
use crate::transport::reconnect::Reconnect;

/// How long a poll waits (the original's `PollTimeout`).
const POLL_TIME: Duration = Duration::from_secs(90);

/// How long a connection may be without transport (the original's `DisconnectTimeout`).
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A path that takes connections.
///
/// It is mounted with [`Server::endpoint`](crate::Server::endpoint), or in axum with `TowerEndpoint` (feature `tower`).
pub struct Endpoint {
    handler: Arc<dyn ConnectionHandler>,
    authenticate: Option<Arc<dyn Authenticate>>,
    policies: Vec<Policy>,
    transports: Transports,
    minimum_version: NegotiateVersion,
    expiry: ExpiredCredentials,
    queue: QueueLimits,
    poll_time: Duration,
    reconnect: Reconnect,
    disconnect_timeout: Duration,
    origins: Option<Origins>,
    guesses: Option<GuessLimit>,
    added_headers: Option<AddedHeaders>,
}

/// What happens to a connection whose credentials expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiredCredentials {
    /// It stays (the original's default).
    #[default]
    Ignore,
    /// It is closed, and may reconnect with new ones (`CloseOnAuthenticationExpiration`).
    Close,
}

/// Why a request may not come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 401: nobody knows who it is.
    Unauthenticated(ClientError, Cow<'static, str>),
    /// 429: wrong credentials have come from there too often; for how long it lasts.
    TooManyGuesses(Duration),
    /// 403: this one may not.
    Forbidden,
}

impl Endpoint {
    /// Makes an endpoint that admits everyone, over WebSockets.
    pub fn new(handler: impl ConnectionHandler) -> Self {
        Self {
            handler: Arc::new(handler),
            authenticate: None,
            policies: Vec::new(),
            transports: Transports::WEB_SOCKETS,
            minimum_version: NegotiateVersion::Zero,
            expiry: ExpiredCredentials::default(),
            queue: QueueLimits::default(),
            poll_time: POLL_TIME,
            reconnect: Reconnect::Plain,
            disconnect_timeout: DISCONNECT_TIMEOUT,
            origins: None,
            guesses: None,
            added_headers: None,
        }
    }

    /// Reads credentials, and refuses every request whose credentials are missing or bad with 401.
    #[must_use]
    pub fn authenticate(self, authenticate: impl Authenticate) -> Self {
        self.identify(authenticate).authorize(Policy::authenticated())
    }

    /// Reads credentials, and takes clients without good ones as anonymous.
    #[must_use]
    pub fn identify(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticate = Some(Arc::new(authenticate));
        self
    }

    /// Admits only identities that the policy admits: others get 401 when their user is unknown, else 403.
    ///
    /// Of several policies each must admit.
    #[must_use]
    pub fn authorize(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Limits how many wrong credentials may come from one address: beyond it they get 429 with `Retry-After` in place of
    /// 401. Without limit by default.
    #[must_use]
    pub fn guess_limit(mut self, limit: GuessLimit) -> Self {
        self.guesses = Some(limit);
        self
    }

    /// Sets which web pages may use the endpoint, in place of what [`Server::origins`](crate::Server::origins) says.
    ///
    /// By default neither says anything, as in the original: there are no CORS headers, and nobody's origin is looked at.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
        self
    }

    /// Chooses the transports that are offered; WebSockets alone by default.
    #[must_use]
    pub fn transports(mut self, transports: Transports) -> Self {
        self.transports = transports;
        self
    }

    /// Sets the lowest version of negotiation that is accepted (`MinimumProtocolVersion`).
    #[must_use]
    pub fn minimum_negotiate_version(mut self, version: NegotiateVersion) -> Self {
        self.minimum_version = version;
        self
    }

    /// Sets what happens when credentials expire.
    #[must_use]
    pub fn on_expired_credentials(mut self, expiry: ExpiredCredentials) -> Self {
        self.expiry = expiry;
        self
    }

    /// Sets how long a poll waits for data before it is answered empty (`LongPolling.PollTimeout`); 90 s by default.
    #[must_use]
    pub fn poll_timeout(mut self, timeout: Duration) -> Self {
        self.poll_time = timeout;
        self
    }

    /// Lets clients that ask for it come back to their connection after they lost its WebSocket
    /// (`AllowStatefulReconnects`); off by default.
    ///
    /// The handler must know how to go on: see [`Connection::is_resumable`](crate::Connection::is_resumable).
    #[must_use]
    pub fn allow_stateful_reconnects(mut self) -> Self {
        self.reconnect = Reconnect::Stateful;
        self
    }

    /// Sets how long a connection may be without transport (`DisconnectTimeout`), 15 s by default: between two polls, and
    /// after the loss of a WebSocket whose client may come back. Looked at once a second.
    #[must_use]
    pub fn disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.disconnect_timeout = timeout;
        self
    }

    /// Sets how many bytes may be queued for a client, 16 MiB by default; one larger message may pass an empty queue. A
    /// client that needs more is closed as a slow consumer, so it should be more than the largest burst. What all clients
    /// together may have queued is bounded by [`Limits::queued_bytes`](crate::Limits::queued_bytes).
    #[must_use]
    pub fn queue_limit(mut self, bytes: usize) -> Self {
        self.queue.bytes = bytes;
        self
    }

    /// Sets for how long a client may take nothing of what is queued for it (`TransportSendTimeout`); 10 s by default.
    #[must_use]
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.queue.stall = timeout;
        self
    }

    /// Adds headers, such as cookies, to each answer of the endpoint: to negotiate, the upgrade of a WebSocket (101), event
    /// streams, polls, POSTs, errors and preflights. The function gets the head of the request and an empty map.
    ///
    /// It cannot break the protocol: headers that the endpoint sets itself or that frame an answer, such as `Content-Type`,
    /// `Content-Length`, `Connection` or `Sec-WebSocket-Protocol`, are not added, and a warning is logged. Only to `Vary` its
    /// values are added. A page of another origin sees the headers that CORS allows it to. Answers that come before the
    /// endpoint is found, to requests that cannot be read or that are beyond a limit of sockets, do not get the headers.
    ///
    /// ```
    /// # use signalhub_connections::{Endpoint, HeaderValue};
    /// # fn configure(endpoint: Endpoint) -> Endpoint {
    /// endpoint.response_headers(|request, headers| {
    ///     headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    ///     if !request.headers.contains_key("cookie") {
    ///         headers.insert("set-cookie", HeaderValue::from_static("node=a; HttpOnly; Path=/"));
    ///     }
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn response_headers(mut self, add: impl Fn(&Parts, &mut HeaderMap) + Send + Sync + 'static) -> Self {
        self.added_headers = Some(AddedHeaders::new(add));
        self
    }

    pub(crate) fn added_headers(&self) -> Option<&AddedHeaders> {
        self.added_headers.as_ref()
    }

    pub(crate) fn own_origins(&self) -> Option<&Origins> {
        self.origins.as_ref()
    }

    pub(crate) fn poll_time(&self) -> Duration {
        self.poll_time
    }

    pub(crate) fn allowed_reconnect(&self) -> Reconnect {
        self.reconnect
    }

    pub(crate) fn disconnect_time(&self) -> Duration {
        self.disconnect_timeout
    }

    pub(crate) fn handler(&self) -> Arc<dyn ConnectionHandler> {
        Arc::clone(&self.handler)
    }

    pub(crate) fn keeps_opening_request(&self) -> bool {
        self.handler.keeps_opening_request()
    }

    pub(crate) fn offered(&self) -> Transports {
        self.transports
    }

    pub(crate) fn minimum_version(&self) -> NegotiateVersion {
        self.minimum_version
    }

    pub(crate) fn queue_limits(&self) -> QueueLimits {
        self.queue
    }

    pub(crate) fn authenticator(&self) -> Option<&Arc<dyn Authenticate>> {
        self.authenticate.as_ref()
    }

    /// Finds out who sent a request and whether they may.
    pub(crate) fn admit(&self, request: &Parts) -> Result<Identity, Refusal> {
        let mut guessed = false;
        let (identity, error, why) = match self.authenticate.as_ref().map(|judge| judge.authenticate(request)) {
            Some(Authentication::Identified(identity)) => {
                (identity, ClientError::InvalidCredentials, "they name no user".into())
            }
            Some(Authentication::Expired) => {
                (Identity::anonymous(), ClientError::ExpiredCredentials, "they have expired".into())
            }
            Some(Authentication::Unacceptable(why)) => (Identity::anonymous(), ClientError::InvalidCredentials, why),
            Some(Authentication::Invalid(why)) => {
                guessed = true;
                (Identity::anonymous(), ClientError::InvalidCredentials, why)
            }
            Some(Authentication::Missing) | None => {
                (Identity::anonymous(), ClientError::MissingCredentials, "there are none".into())
            }
        };
        match self.policies.iter().all(|policy| policy.admits(&identity)) {
            true => Ok(identity),
            false if identity.user.is_none() => {
                if guessed && let Some(Err(after)) = self.guesses.as_ref().map(|limit| limit.count(request)) {
                    return Err(Refusal::TooManyGuesses(after));
                }
                Err(Refusal::Unauthenticated(error, why))
            }
            false => Err(Refusal::Forbidden),
        }
    }

    /// Tells whether the `Authorization` header of a request alone shows who sent it, with a bearer token: browsers send
    /// cookies and passwords along by themselves, but never one of these.
    pub(crate) fn vouches_for(&self, request: &Parts) -> bool {
        let (Some(judge), Some(_)) = (&self.authenticate, authorization_token(request)) else { return false };
        let mut alone = Request::new(()).into_parts().0;
        (alone.method, alone.version) = (request.method.clone(), request.version);
        alone.extensions = request.extensions.clone();
        let headers = request.headers.get_all(AUTHORIZATION).iter();
        alone.headers.extend(headers.map(|value| (AUTHORIZATION, value.clone())));
        matches!(judge.authenticate(&alone), Authentication::Identified(identity) if identity.user.is_some())
    }

    /// When a connection of this identity is to be closed for its credentials' sake.
    pub(crate) fn closing_time(&self, identity: &Identity) -> Option<Instant> {
        match self.expiry {
            ExpiredCredentials::Ignore => None,
            ExpiredCredentials::Close => identity.deadline(),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("transports", &self.transports).finish_non_exhaustive()
    }
}
