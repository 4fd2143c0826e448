//! What an endpoint answers to each HTTP request.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, EXPIRES, HeaderValue, PRAGMA, SEC_WEBSOCKET_ACCEPT, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::connection::Transport;
use crate::endpoint::Refusal;
use crate::id::ConnectionToken;
use crate::negotiate::{self, NegotiateVersion};
use crate::outbound::Lane;
use crate::registry::{AttachError, Registry, Seat};
use crate::socket::{Io, Socket};
use crate::{Connection, ConnectionId, Endpoint, Identity, TransportKind, query, websocket};

/// The body of a response.
pub type Body = Full<Bytes>;

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
    pub(crate) registry: Arc<Registry>,
}

impl Mounted {
    /// Answers one request. Authentication comes before everything else, as in the original.
    pub(crate) fn answer<B>(&self, route: Route, mut request: Request<B>) -> Response<Body> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (head, _) = request.into_parts();
        let identity = match self.endpoint.admit(&head) {
            Ok(identity) => identity,
            Err(refusal) => return self.refuse(refusal),
        };
        match (route, &head.method) {
            (Route::Negotiate, &Method::POST) => self.negotiate(&head),
            (Route::Connect, &Method::GET) => self.connect(&head, identity, upgrade),
            (Route::Connect, &Method::POST) => self.send(&head),
            (Route::Connect, &Method::DELETE) => self.delete(&head),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, ""),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        match refusal {
            Refusal::Forbidden => empty(StatusCode::FORBIDDEN),
            Refusal::Unauthenticated => {
                let mut response = empty(StatusCode::UNAUTHORIZED);
                if let Some(challenge) = self.endpoint.authenticator().and_then(|authenticate| authenticate.challenge())
                {
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                response
            }
        }
    }

    fn negotiate(&self, head: &Parts) -> Response<Body> {
        let body = match NegotiateVersion::choose(head.uri.query(), self.endpoint.minimum_version()) {
            Err(error) => negotiate::refusal(&error),
            Ok(version) => {
                let id = ConnectionId::random();
                let token = match version {
                    NegotiateVersion::Zero => ConnectionToken::same_as(&id),
                    NegotiateVersion::One => ConnectionToken::random(),
                };
                let body = negotiate::answer(version, &id, &token, self.endpoint.offered());
                self.registry.negotiate(token, id);
                body
            }
        };
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// Decides between the transports in the original's order: event stream, WebSocket, poll.
    fn connect(&self, head: &Parts, identity: Identity, upgrade: OnUpgrade) -> Response<Body> {
        if accepts_event_stream(head) {
            return self.connect_plain(head, TransportKind::ServerSentEvents);
        }
        match websocket::accept_key(&head.headers) {
            Some(key) => self.connect_websocket(head, identity, upgrade, &key),
            None => no_cache(self.connect_plain(head, TransportKind::LongPolling)),
        }
    }

    fn connect_websocket(
        &self,
        head: &Parts,
        identity: Identity,
        upgrade: OnUpgrade,
        accept_key: &str,
    ) -> Response<Body> {
        let kind = TransportKind::WebSockets;
        let token = query::value(head.uri.query(), "id").filter(|id| !id.is_empty());
        if let Some(Err(AttachError::Unknown)) = token.as_deref().map(|token| self.registry.check(token, kind)) {
            return body(StatusCode::NOT_FOUND, "No Connection with that ID");
        }
        if !self.endpoint.offered().contains(kind) {
            return not_offered(kind);
        }
        let lane = Arc::new(Lane::new(self.endpoint.queue_limits()));
        let attached = match &token {
            Some(token) => self.registry.attach(token, kind, &lane),
            None => self.registry.admit(kind, &lane),
        };
        let (id, seat) = match attached {
            Ok(attached) => attached,
            Err(error) => return refuse_attach(error),
        };
        self.serve_websocket(id, seat, identity, lane, upgrade);
        let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::from_str(accept_key).expect("an accept key is base64");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        response
    }

    /// Starts the task that lives as long as the connection.
    fn serve_websocket(&self, id: ConnectionId, seat: Seat, identity: Identity, lane: Arc<Lane>, upgrade: OnUpgrade) {
        let handler = self.endpoint.handler();
        let expires = self.endpoint.closing_time(&identity);
        let connecting = async move {
            let socket = open_socket(upgrade, &lane).await?;
            let connection = Connection::new(id, Arc::new(identity), lane, Transport::WebSocket(socket));
            Some(connection.with_seat(seat).closing_at(expires))
        };
        tokio::spawn(async move {
            // The upgrade is over before the handler's future is made, so that it takes no room in it.
            if let Some(connection) = connecting.await {
                handler.handle(connection).await;
            }
        });
    }

    /// The checks that polls and event streams share; both transports themselves are still to come.
    fn connect_plain(&self, head: &Parts, kind: TransportKind) -> Response<Body> {
        let Some(token) = query::value(head.uri.query(), "id").filter(|id| !id.is_empty()) else {
            return text(StatusCode::BAD_REQUEST, "Connection ID required");
        };
        if self.registry.transport(&token).is_err() {
            return text(StatusCode::NOT_FOUND, "No Connection with that ID");
        }
        not_offered(kind)
    }

    fn send(&self, head: &Parts) -> Response<Body> {
        let Some(token) = query::value(head.uri.query(), "id").filter(|id| !id.is_empty()) else {
            return text(StatusCode::BAD_REQUEST, "Connection ID required");
        };
        match self.registry.transport(&token) {
            Err(_) => text(StatusCode::NOT_FOUND, "No Connection with that ID"),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "POST requests are not allowed for WebSocket connections."),
        }
    }

    fn delete(&self, head: &Parts) -> Response<Body> {
        let Some(token) = query::value(head.uri.query(), "id").filter(|id| !id.is_empty()) else {
            return text(StatusCode::BAD_REQUEST, "Connection ID required");
        };
        match self.registry.transport(&token) {
            Err(_) => text(StatusCode::NOT_FOUND, "No Connection with that ID"),
            _ => text(StatusCode::BAD_REQUEST, "Cannot terminate this connection using the DELETE endpoint."),
        }
    }
}

/// Waits for the upgrade and takes the socket out of hyper's hands, with what the client has sent ahead.
async fn open_socket(upgrade: OnUpgrade, lane: &Lane) -> Option<Socket> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the upgrade did not complete");
            return None;
        }
    };
    Some(match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            // The bytes are copied, because the buffer they lie in is far larger than they are.
            let early = parts.read_buf.to_vec();
            Socket::new(Io::Tcp(Arc::new(parts.io.into_inner())), early, lane)
        }
        Err(upgraded) => Socket::new(Io::Stream(Box::pin(TokioIo::new(upgraded))), Vec::new(), lane),
    })
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

fn refuse_attach(error: AttachError) -> Response<Body> {
    match error {
        AttachError::Unknown => body(StatusCode::NOT_FOUND, "No Connection with that ID"),
        AttachError::OtherTransport => text(StatusCode::BAD_REQUEST, "Cannot change transports mid-connection"),
        AttachError::AlreadyAttached => text(StatusCode::CONFLICT, ""),
        AttachError::Draining => text(StatusCode::SERVICE_UNAVAILABLE, ""),
    }
}

fn not_offered(kind: TransportKind) -> Response<Body> {
    text(StatusCode::NOT_FOUND, &format!("{} transport not supported by this end point type", kind.name()))
}

fn empty(status: StatusCode) -> Response<Body> {
    body(status, "")
}

fn body(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

fn text(status: StatusCode, content: &str) -> Response<Body> {
    let mut response = body(status, content);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Every answer to a poll says that it must not be cached.
fn no_cache(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
    response
}
