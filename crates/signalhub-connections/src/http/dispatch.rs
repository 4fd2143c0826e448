//! What an endpoint answers to each HTTP request.

mod websocket;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use tracing::{Instrument, Span};

use crate::auth::identity::{Owner, Principal};
use crate::connection::Transport;
use crate::http::answers::{empty, no_cache, not_offered, octets, text, unknown, unsupported_coding};
use crate::http::body::Body;
use crate::http::endpoint::Refusal;
use crate::http::negotiate::{self, NegotiateVersion};
use crate::http::origins::Judged;
use crate::id::ConnectionToken;
use crate::limits::{Limit, QuotaKey};
use crate::outbound::Writer;
use crate::registry::{AttachError, Attached, Found, Link, Registry};
use crate::request::{query, request_id};
use crate::transport::inbox::Inbox;
use crate::transport::long_polling::{Polled, Polls, Present};
use crate::transport::server_sent_events::EventStream;
use crate::{
    BodyError, ClientError, Connection, ConnectionHandler, ConnectionId, Endpoint, Identity, Origins, Reconnect,
    RequestBody, TransportKind, content_coding, websocket_codec,
};

/// Which of an endpoint's two routes a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Negotiate,
    Connect,
}

/// An endpoint together with the registry of the server it is mounted in.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Which one it is of those that share the registry.
    pub(crate) number: usize,
    pub(crate) registry: Arc<Registry>,
}

impl Mounted {
    /// Answers one request: what it says about its origin first, which a preflight has no credentials for.
    pub(crate) async fn answer<B>(
        &self,
        route: Route,
        request: Request<RequestBody<B>>,
        default_origins: Option<&Origins>,
    ) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let span = request_id::span(&head);
        self.answer_parts(route, head, body, default_origins).instrument(span).await
    }

    async fn answer_parts<B>(
        &self,
        route: Route,
        head: Parts,
        body: RequestBody<B>,
        default_origins: Option<&Origins>,
    ) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let judge = |origins: &Origins| origins.judge(&head, || self.endpoint.vouches_for(&head));
        let cors = match self.endpoint.own_origins().or(default_origins).map(judge) {
            None => None,
            Some(Judged::Passed(cors)) => Some(cors),
            Some(Judged::Preflight(response)) => return response,
            Some(Judged::Foreign(response)) => return self.registry.refusals().turn_away_page(&head, response),
        };
        let response = self.route(route, &head, body).await;
        self.registry.refusals().add_cors_headers(cors.as_ref(), response)
    }

    /// Authentication comes before everything else, as in the original.
    async fn route<B>(&self, route: Route, head: &Parts, body: RequestBody<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let identity = match self.endpoint.admit(head) {
            Ok(identity) => identity,
            Err(refusal) => return self.refuse(refusal),
        };
        match (route, &head.method) {
            (Route::Negotiate, &Method::POST) => self.negotiate(head, &identity),
            (Route::Connect, &Method::GET) => self.connect(head, body.is_end_stream(), identity).await,
            (Route::Connect, &Method::POST) => self.send(head, body, &identity).await,
            (Route::Connect, &Method::DELETE) => self.delete(head, &identity),
            _ => {
                let response = text(StatusCode::METHOD_NOT_ALLOWED, "");
                self.reject(ClientError::MethodNotAllowed, "the path takes other methods", response)
            }
        }
    }

    fn owner(&self, identity: &Identity) -> Owner {
        Owner { endpoint: self.number, principal: Principal::of(identity) }
    }

    fn quota_key(&self, identity: &Identity, head: &Parts) -> QuotaKey {
        QuotaKey::new(self.owner(identity), head)
    }

    /// Refuses what a client did wrong: counted, logged and answered.
    fn reject(&self, error: ClientError, detail: impl Display, response: Response<Body>) -> Response<Body> {
        self.registry.client_errors().refuse(error, detail, response)
    }

    fn refuse_attach(&self, error: AttachError) -> Response<Body> {
        match error {
            AttachError::Unknown => self.unknown(),
            AttachError::OtherTransport => self.reject(
                ClientError::OtherTransport,
                "the connection has another transport",
                text(StatusCode::BAD_REQUEST, "Cannot change transports mid-connection"),
            ),
            AttachError::AlreadyAttached => self.reject(
                ClientError::AlreadyConnected,
                "the connection has its transport already",
                text(StatusCode::CONFLICT, ""),
            ),
            AttachError::Refused(limit) => self.registry.refusals().turn_away(limit),
        }
    }

    fn unknown(&self) -> Response<Body> {
        self.reject(ClientError::UnknownConnection, "there is no connection with this id", unknown())
    }

    fn missing_id(&self) -> Response<Body> {
        let response = text(StatusCode::BAD_REQUEST, "Connection ID required");
        self.reject(ClientError::MissingConnectionId, "the query has no id", response)
    }

    fn not_offered(&self, kind: TransportKind) -> Response<Body> {
        self.reject(ClientError::TransportNotOffered, kind.name(), not_offered(kind))
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        match refusal {
            Refusal::Forbidden => {
                self.reject(ClientError::Forbidden, "a policy does not admit the user", empty(StatusCode::FORBIDDEN))
            }
            Refusal::TooManyGuesses(after) => {
                let mut response = self.registry.refusals().turn_away(Limit::Guesses);
                let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Refusal::Unauthenticated(error, why) => {
                let mut response = empty(StatusCode::UNAUTHORIZED);
                if let Some(challenge) = self.endpoint.authenticator().and_then(|authenticate| authenticate.challenge())
                {
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                self.reject(error, why, response)
            }
        }
    }

    fn negotiate(&self, head: &Parts, identity: &Identity) -> Response<Body> {
        let body = match NegotiateVersion::choose(head.uri.query(), self.endpoint.minimum_version()) {
            Err(error) => {
                let response = Response::new(Body::from(negotiate::refusal(&error)));
                return json(self.reject(ClientError::InvalidNegotiation, error, response));
            }
            Ok(version) => {
                let (id, token) = match version {
                    NegotiateVersion::Zero => ConnectionId::random_token(),
                    NegotiateVersion::One => (ConnectionId::random(), ConnectionToken::random()),
                };
                let reconnect = Reconnect::choose(head.uri.query(), self.endpoint.allowed_reconnect());
                let body = negotiate::answer(version, (&id, &token), reconnect, self.endpoint.offered());
                if let Err(limit) = self.registry.negotiate((token, id), reconnect, &self.quota_key(identity, head)) {
                    return self.registry.refusals().turn_away(limit);
                }
                body
            }
        };
        json(Response::new(Body::from(body)))
    }

    /// Decides between the transports in the original's order: event stream, WebSocket, poll.
    async fn connect(&self, head: &Parts, bodiless: bool, identity: Identity) -> Response<Body> {
        if accepts_event_stream(head) {
            return self.connect_events(head, identity);
        }
        // An upgrade with a body is none: what follows the head would be read as frames by one side alone. Nor is one of
        // HTTP/1.0, whose proxies pass on headers that they do not know (RFC 9110, section 7.8).
        let may_upgrade = bodiless && head.version != Version::HTTP_10;
        match websocket_codec::accept_key(&head.headers).filter(|_| may_upgrade) {
            Some(key) => self.connect_websocket(head, identity, &key),
            None => no_cache(self.poll(head, identity).await),
        }
    }

    /// Attaches a transport that consists of requests, and starts its connection.
    fn attach_inbox(
        &self,
        (token, head): (&str, &Parts),
        identity: Identity,
        kind: TransportKind,
        link: impl FnOnce(&Arc<Inbox>) -> Link,
    ) -> Result<Arc<Inbox>, AttachError> {
        let limits = self.endpoint.queue_limits();
        let quota_key = self.quota_key(&identity, head);
        let expires = self.endpoint.closing_time(&identity);
        let identity = Arc::new(identity);
        let make = |early: Option<Arc<Inbox>>, _| {
            // What was posted early stays where it is, also what is still being posted.
            let inbox = early.unwrap_or_else(|| Inbox::early(limits, self.registry.backlog()));
            let writer = if kind == TransportKind::ServerSentEvents { Writer::Stream } else { Writer::Taker };
            inbox.attach(writer, &identity);
            (link(&inbox), inbox)
        };
        let Attached { id, registration, reconnect, made: inbox } =
            self.registry.attach(token, kind, &quota_key, make)?;
        let (send_queue, transport) = (Arc::clone(inbox.send_queue()), Transport::Inbox(Arc::clone(&inbox)));
        let connection =
            Connection::new(id, identity, send_queue, transport).with_registration(registration).closing_at(expires);
        let connection = connection.resumable(reconnect, None).coming_from(head.extensions.get().copied());
        spawn(self.endpoint.handler(), connection, &Span::current());
        Ok(inbox)
    }

    fn connect_events(&self, head: &Parts, identity: Identity) -> Response<Body> {
        let kind = TransportKind::ServerSentEvents;
        let token = match self.known(head, &identity, kind) {
            Ok((token, _)) => token,
            Err(response) => return response,
        };
        let attached = self.attach_inbox((&token, head), identity, kind, |inbox| Link::Events(Arc::clone(inbox)));
        let inbox = match attached {
            Ok(inbox) => inbox,
            Err(error) => return self.refuse_attach(error),
        };
        let mut response = Response::new(Body::events(EventStream::new(inbox)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        // Without it nginx keeps the first event, and its client waits for the end of the handshake.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// Answers the first poll of a connection at once, and every later one when there is something to say.
    async fn poll(&self, head: &Parts, identity: Identity) -> Response<Body> {
        let (token, found) = match self.known(head, &identity, TransportKind::LongPolling) {
            Ok(known) => known,
            Err(response) => return response,
        };
        let polls = match found {
            Found::Attached(Link::Polls(polls)) => polls,
            Found::Attached(_) => return self.refuse_attach(AttachError::OtherTransport),
            Found::Waiting => {
                let timeout = self.endpoint.poll_time();
                let disconnect_timeout = self.endpoint.time_without_transport();
                let link = |inbox: &Arc<Inbox>| Link::Polls(Polls::new(Arc::clone(inbox), timeout, disconnect_timeout));
                return match self.attach_inbox((&token, head), identity, TransportKind::LongPolling, link) {
                    Ok(_) => octets(Body::default()),
                    Err(error) => self.refuse_attach(error),
                };
            }
        };
        polls.inbox().renew(&identity, self.endpoint.closing_time(&identity));
        let present = Present::new(&polls);
        match polls.poll().await {
            Polled::Data(data) => octets(Body::messages(data, present)),
            Polled::TimedOut => text(StatusCode::OK, ""),
            Polled::Replaced => text(StatusCode::NO_CONTENT, ""),
            Polled::Ended => {
                self.registry.remove(&token);
                text(StatusCode::NO_CONTENT, "")
            }
        }
    }

    /// The checks that polls and event streams share, in the original's order.
    #[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
    fn known(&self, head: &Parts, identity: &Identity, kind: TransportKind) -> Result<(String, Found), Response<Body>> {
        let token = token(head).ok_or_else(|| self.missing_id())?;
        let found = self.registry.find(&token, &self.owner(identity)).ok_or_else(|| self.unknown())?;
        if !self.endpoint.offered().contains(kind) {
            return Err(self.not_offered(kind));
        }
        Ok((token, found))
    }

    /// Takes a request's body as input of the connection, chunk by chunk as there is room. It ends with the connection.
    async fn send<B>(&self, head: &Parts, body: RequestBody<B>, identity: &Identity) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let Some(token) = token(head) else { return self.missing_id() };
        let inbox = match self.registry.inbox(&token, &self.owner(identity), self.endpoint.queue_limits()) {
            None => return self.unknown(),
            Some(Err(_)) => {
                let answer = "POST requests are not allowed for WebSocket connections.";
                let response = text(StatusCode::METHOD_NOT_ALLOWED, answer);
                return self.reject(ClientError::OtherTransport, "a POST to a WebSocket", response);
            }
            Some(Ok(inbox)) => inbox,
        };
        if let Some(coding) = content_coding(&head.headers) {
            return self.reject(ClientError::UnsupportedEncoding, &coding, unsupported_coding(&coding));
        }
        inbox.renew(identity, self.endpoint.closing_time(identity));
        tokio::select! {
            biased;
            answer = self.post(&inbox, body) => answer,
            () = inbox.closed() => {
                self.reject(ClientError::UnknownConnection, "the connection ended before the body", unknown())
            }
        }
    }

    /// Puts a whole body into an inbox.
    async fn post<B>(&self, inbox: &Inbox, mut body: RequestBody<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let overdue = || text(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.");
        let Ok(_turn) = body.wait_for(inbox.turn(), || inbox.is_full()).await else { return overdue() };
        while let Some(chunk) = body.frame().await {
            match chunk.map(|chunk| chunk.into_data()) {
                Ok(Ok(bytes)) => inbox.push(&bytes).await,
                // Trailers mean nothing here.
                Ok(Err(_)) => {}
                Err(BodyError::Overdue) => {
                    return text(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.");
                }
                Err(BodyError::Broken(_)) => {
                    let response = text(StatusCode::BAD_REQUEST, "");
                    return self.reject(ClientError::BrokenBody, "the body broke off", response);
                }
            }
        }
        text(StatusCode::OK, "")
    }

    /// Ends a polling connection; others end with their transport.
    fn delete(&self, head: &Parts, identity: &Identity) -> Response<Body> {
        let Some(token) = token(head) else { return self.missing_id() };
        match self.registry.find(&token, &self.owner(identity)) {
            None => self.unknown(),
            Some(Found::Attached(Link::Polls(polls))) => {
                self.registry.remove(&token);
                polls.end(crate::CloseReason::ClientClosed);
                text(StatusCode::ACCEPTED, "")
            }
            Some(_) => {
                let answer = "Cannot terminate this connection using the DELETE endpoint.";
                let response = text(StatusCode::BAD_REQUEST, answer);
                self.reject(ClientError::OtherTransport, "a DELETE of a connection without polls", response)
            }
        }
    }
}

/// Starts the task that lives as long as the connection. Its span is within that of the request that began it, and costs
/// memory as long, so only debugging has one.
fn spawn(handler: Arc<dyn ConnectionHandler>, connection: Connection, request: &Span) {
    let span = tracing::debug_span!(parent: request, "connection", id = connection.id().for_log());
    tokio::spawn(handler.handle(connection).instrument(span));
}

fn json(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The token of a request; an empty one is none.
fn token(head: &Parts) -> Option<String> {
    query::value(head.uri.query(), "id").filter(|id| !id.is_empty())
}

/// The original looks for exactly this media type; one with a parameter does not count.
fn accepts_event_stream(head: &Parts) -> bool {
    let accepted = head.headers.get_all(http::header::ACCEPT);
    accepted
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|media_type| media_type.trim().eq_ignore_ascii_case("text/event-stream"))
}
