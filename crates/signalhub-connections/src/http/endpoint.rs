//! A path that accepts connections: its handler, its authentication and its transports.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::auth::authenticate::Authenticate;
use crate::auth::guess_limit::GuessLimit;
use crate::auth::identity::{Policy, Renewal};
use crate::auth::token_refresh::{RefreshError, VerifyToken};
use crate::handler::ConnectionHandler;
use crate::http::access_rules::{AccessRules, ExpiredCredentials};
use crate::http::added_headers::AddedHeaders;
use crate::http::negotiate::NegotiateVersion;
use crate::http::origins::Origins;
use crate::http::tickets::Tickets;
use crate::outbound::QueueLimits;
use crate::request::remote_address::RemoteAddress;
use crate::transport::io::StreamMessages;
use crate::transport::reconnect::Reconnect;
use crate::transport_kind::Transports;
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
    access: AccessRules,
    transports: Transports,
    minimum_version: NegotiateVersion,
    queue: QueueLimits,
    stream_messages: StreamMessages,
    poll_time: Duration,
    reconnect: Reconnect,
    disconnect_timeout: Duration,
    origins: Option<Origins>,
    refresh: RefreshRoute,
    tickets: Option<Tickets>,
    added_headers: Option<AddedHeaders>,
    subprotocols: Vec<&'static str>,
    upgrades_only: bool,
}

/// Whether an endpoint has the route `{path}/refresh`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RefreshRoute {
    #[default]
    Absent,
    Present,
}

impl Endpoint {
    /// Makes an endpoint that admits all clients, over WebSockets.
    pub fn new(handler: impl ConnectionHandler) -> Self {
        Self {
            handler: Arc::new(handler),
            access: AccessRules::default(),
            transports: Transports::WEB_SOCKETS,
            minimum_version: NegotiateVersion::Zero,
            queue: QueueLimits::default(),
            stream_messages: StreamMessages::default(),
            poll_time: POLL_TIME,
            reconnect: Reconnect::Plain,
            disconnect_timeout: DISCONNECT_TIMEOUT,
            origins: None,
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
        self.access.authenticate = Some(Arc::new(authenticate));
        self
    }

    /// Admits only identities that the policy admits. Others get 401 if they are anonymous, else 403.
    ///
    /// If there are several policies, all must admit.
    #[must_use]
    pub fn authorize(mut self, policy: Policy) -> Self {
        self.access.policies.push(policy);
        self
    }

    /// Limits how many wrong credentials may come from one address. Further requests with wrong credentials get 429 with
    /// `Retry-After` instead of 401. There is no limit by default.
    #[must_use]
    pub fn guess_limit(mut self, limit: GuessLimit) -> Self {
        self.access.guesses = Some(limit);
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
        self.access.expiry = expiry;
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

    /// Who may use it.
    pub(crate) fn access(&self) -> &AccessRules {
        &self.access
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
}

impl VerifyToken for Endpoint {
    fn verify<'a>(
        &'a self,
        token: &'a str,
        remote: Option<RemoteAddress>,
    ) -> BoxFuture<'a, Result<Renewal, RefreshError>> {
        self.access.verify(token, remote)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("transports", &self.transports).finish_non_exhaustive()
    }
}
