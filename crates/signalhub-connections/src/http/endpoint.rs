//! A path that accepts connections: its handler, its authentication and its transports.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use tokio::time::Instant;

use crate::auth::authenticate::{Authenticate, Authentication, authenticate_when_ready};
use crate::auth::bearer::authorization_token;
use crate::auth::guess_limit::GuessLimit;
use crate::auth::identity::{Identity, Policy, Renewal};
use crate::auth::token::TokenError;
use crate::auth::token_refresh::{RefreshError, VerifyToken};
use crate::counts::client_errors::ClientError;
use crate::handler::ConnectionHandler;
use crate::http::added_headers::AddedHeaders;
use crate::http::negotiate::NegotiateVersion;
use crate::http::origins::Origins;
use crate::http::tickets::Tickets;
use crate::outbound::QueueLimits;
use crate::registry::TicketError;
use crate::request::remote_address::RemoteAddress;
use crate::transport::io::StreamMessages;
use crate::transport::kind::Transports;
use crate::transport::reconnect::Reconnect;
use crate::websocket_codec;

/// How long a poll waits for data (the original's `PollTimeout`).
const POLL_TIME: Duration = Duration::from_secs(90);

/// How long a connection may be without a transport (the original's `DisconnectTimeout`).
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Accepts connections at a path: its handler, authentication, transports and limits.
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
    stream_messages: StreamMessages,
    poll_time: Duration,
    reconnect: Reconnect,
    disconnect_timeout: Duration,
    origins: Option<Origins>,
    guesses: Option<GuessLimit>,
    refresh: RefreshRoute,
    tickets: Option<Tickets>,
    added_headers: Option<AddedHeaders>,
    subprotocols: Vec<&'static str>,
    upgrades_only: bool,
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

/// Whether an endpoint has the route `{path}/refresh`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RefreshRoute {
    #[default]
    Absent,
    Present,
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

impl Endpoint {
    /// Makes an endpoint that admits all clients, over WebSockets.
    pub fn new(handler: impl ConnectionHandler) -> Self {
        Self {
            handler: Arc::new(handler),
            authenticate: None,
            policies: Vec::new(),
            transports: Transports::WEB_SOCKETS,
            minimum_version: NegotiateVersion::Zero,
            expiry: ExpiredCredentials::default(),
            queue: QueueLimits::default(),
            stream_messages: StreamMessages::default(),
            poll_time: POLL_TIME,
            reconnect: Reconnect::Plain,
            disconnect_timeout: DISCONNECT_TIMEOUT,
            origins: None,
            guesses: None,
            refresh: RefreshRoute::Absent,
            tickets: None,
            added_headers: None,
            subprotocols: Vec::new(),
            upgrades_only: false,
        }
    }

    /// Reads credentials, and refuses requests without valid ones with 401.
    #[must_use]
    pub fn authenticate(self, authenticate: impl Authenticate) -> Self {
        self.identify(authenticate).authorize(Policy::authenticated())
    }

    /// Reads credentials. Clients without valid ones are anonymous.
    #[must_use]
    pub fn identify(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticate = Some(Arc::new(authenticate));
        self
    }

    /// Admits only identities that the policy admits. Others get 401 if they are anonymous, else 403.
    ///
    /// If there are several policies, all must admit.
    #[must_use]
    pub fn authorize(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// Limits how many wrong credentials may come from one address. Further requests with wrong credentials get 429 with
    /// `Retry-After` instead of 401. There is no limit by default.
    #[must_use]
    pub fn guess_limit(mut self, limit: GuessLimit) -> Self {
        self.guesses = Some(limit);
        self
    }

    /// Gives clients a ticket in place of their token when they negotiate, so that the token stands in no URL; see
    /// [`Tickets`]. Off by default, as in the original.
    #[must_use]
    pub fn tickets(mut self, tickets: Tickets) -> Self {
        self.tickets = Some(tickets);
        self
    }

    /// Sets which web pages may use the endpoint, instead of those of [`Server::origins`](crate::Server::origins).
    ///
    /// By default neither is set, as in the original: there are no CORS headers, and origins are not checked.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = Some(origins);
        self
    }

    /// Sets the transports that are offered; only WebSockets by default.
    #[must_use]
    pub fn transports(mut self, transports: Transports) -> Self {
        self.transports = transports;
        self
    }

    /// Leaves all requests that are no upgrades to a WebSocket, and negotiation, to the pages of the server, for dialects over
    /// plain WebSockets.
    #[must_use]
    pub fn upgrades_only(mut self) -> Self {
        self.upgrades_only = true;
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

    /// Lets clients replace the credentials of an open connection with `POST {path}/refresh?id={connection token}`, as clients
    /// of SignalR in .NET 11 do (`EnableAuthenticationRefresh`); off by default.
    ///
    /// The request is authenticated like every other one. Its credentials must be valid, and of the user and the organisation
    /// of the connection. Then the connection gets [`Received::Renewed`](crate::Received::Renewed), and the answer is
    /// `{"tokenLifetimeSeconds":…}`. Negotiations of version 1 tell the same number, so that clients know when to refresh.
    #[must_use]
    pub fn refresh_route(mut self) -> Self {
        self.refresh = RefreshRoute::Present;
        self
    }

    /// Sets how long a poll waits for data before it gets an empty response (`LongPolling.PollTimeout`), 90 s by default.
    #[must_use]
    pub fn poll_timeout(mut self, timeout: Duration) -> Self {
        self.poll_time = timeout;
        self
    }

    /// Lets clients resume their connection after its WebSocket was lost, if they requested that when they negotiated
    /// (`AllowStatefulReconnects`); off by default.
    ///
    /// The handler must support it: see [`Connection::is_resumable`](crate::Connection::is_resumable).
    #[must_use]
    pub fn allow_stateful_reconnects(mut self) -> Self {
        self.reconnect = Reconnect::Stateful;
        self
    }

    /// Sets how long a connection may be without a transport (`DisconnectTimeout`), 15 s by default: between two polls, and
    /// after the loss of a WebSocket that its client may resume. It is checked once a second.
    #[must_use]
    pub fn disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.disconnect_timeout = timeout;
        self
    }

    /// Sets how many bytes may be queued for a client, 16 MiB by default. An empty queue accepts one message of any size. A
    /// client whose queue is full is closed as a slow consumer, so the limit should be larger than the largest burst.
    /// [`Limits::queued_bytes`](crate::Limits::queued_bytes) limits the queues of all clients together.
    #[must_use]
    pub fn queue_limit(mut self, bytes: usize) -> Self {
        self.queue.bytes = bytes;
        self
    }

    /// Writes each message of a WebSocket to a TLS stream by itself and flushes it, so that no two messages share a record of
    /// TLS. Some clients need that: they wait on the socket while the rest of a record that they have read waits in their TLS
    /// library. It costs a system call per message. On plain sockets it changes nothing.
    #[must_use]
    pub fn separate_messages(mut self) -> Self {
        self.stream_messages = StreamMessages::Separate;
        self
    }

    /// Accepts a subprotocol of WebSockets (RFC 6455, section 1.9), which is a token such as `chat`. Of the subprotocols that
    /// a client offers, the server selects the first one that it accepts and names it in the answer. Clients that offer none
    /// of them, or nothing, are connected without one. By default none is accepted, as by the original.
    ///
    /// # Panics
    /// If it is no token, because it could not stand in a header.
    #[must_use]
    pub fn subprotocol(mut self, name: &'static str) -> Self {
        let is_token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
        assert!(!name.is_empty() && name.bytes().all(is_token), "the name of a subprotocol is a token");
        self.subprotocols.push(name);
        self
    }

    /// Sets how long a client may stop reading while data is queued for it (`TransportSendTimeout`), 10 s by default.
    #[must_use]
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.queue.stall = timeout;
        self
    }

    /// Adds headers, such as cookies, to each answer of the endpoint: to negotiate, the upgrade of a WebSocket (101), event
    /// streams, polls, POSTs, errors and preflights. The function gets the head of the request and an empty map.
    ///
    /// It cannot break the protocol: headers that the endpoint sets itself or that determine how an answer is read, such
    /// as `Content-Type`, `Content-Length`, `Connection` or `Sec-WebSocket-Protocol`, are not added, and a warning is
    /// logged, at most once a second. Values of `Vary` are added to the endpoint's own. Requests that are refused before the endpoint is found,
    /// because they are malformed or beyond a limit of sockets, do not get the headers. If the function panics, the client
    /// gets 500.
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

    /// Tells whether a request for its path is for the endpoint, and not for a page.
    pub(crate) fn takes(&self, request: &Parts) -> bool {
        !self.upgrades_only || websocket_codec::accept_key(&request.headers).is_some()
    }

    pub(crate) fn offered_tickets(&self) -> Option<&Tickets> {
        self.tickets.as_ref()
    }

    /// Gives no tickets if it is not known which address they are for.
    #[cfg(feature = "tower")]
    pub(crate) fn without_unknown_urls(mut self) -> Self {
        if self.tickets.as_ref().is_some_and(|tickets| !tickets.has_public_url()) {
            tracing::warn!("clients get no tickets, because Tickets::public_url is not set");
            self.tickets = None;
        }
        self
    }

    pub(crate) fn added_headers(&self) -> Option<&AddedHeaders> {
        self.added_headers.as_ref()
    }

    /// The subprotocol for a client whose request has these headers.
    pub(crate) fn select_subprotocol(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
        let mut offered = offers.flat_map(|value| value.split(',')).map(str::trim);
        let selected = offered.find_map(|offer| self.subprotocols.iter().find(|name| **name == offer))?;
        Some(HeaderValue::from_static(selected))
    }

    pub(crate) fn own_origins(&self) -> Option<&Origins> {
        self.origins.as_ref()
    }

    pub(crate) fn has_refresh_route(&self) -> bool {
        self.refresh == RefreshRoute::Present
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

    pub(crate) fn stream_messages(&self) -> StreamMessages {
        self.stream_messages
    }

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

impl VerifyToken for Endpoint {
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

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("transports", &self.transports).finish_non_exhaustive()
    }
}
