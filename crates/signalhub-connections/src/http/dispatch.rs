//! How an endpoint answers each HTTP request.

mod in_cluster;
mod locate;
mod long_polling;
mod refresh;
mod requests;
mod server_sent_events;
mod websocket;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Body as HttpBody;
use tracing::Instrument;

use self::locate::Asked;
use crate::auth::bearer::bearer_token;
use crate::auth::ticket::Ticket;
use crate::cluster::token::Naming;
use crate::counts::client_errors::ClientError;
use crate::counts::negotiations::NegotiationOutcome;
use crate::http::answers::{no_cache, text};
use crate::http::body::Body;
use crate::http::forwarding::Relayed;
use crate::http::mounted::{Admitted, Mounted, token};
use crate::http::negotiate::{self, NegotiateVersion};
use crate::http::origins::{OriginCheck, Origins};
use crate::http::panics;
use crate::http::refusals::{add_cors_headers, refuse_page};
use crate::http::request_body::RequestBody;
use crate::id::ConnectionNames;
use crate::limits::quota::QuotaKey;
use crate::registry::{AttachError, TicketUse};
use crate::request::request_id;
use crate::websocket_codec;

/// Which of an endpoint's routes a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Negotiate,
    Connect,
    /// Only of endpoints with [`Endpoint::refresh_route`](crate::Endpoint::refresh_route).
    Refresh,
}

impl Route {
    /// Finds which route of an endpoint at `at` has this path.
    pub(crate) fn of(mounted: &Mounted, at: &str, path: &str) -> Option<Self> {
        Self::matching(at, path).filter(|route| *route != Self::Refresh || mounted.endpoint.has_refresh_route())
    }

    /// Matches `{path}`, `{path}/negotiate` and `{path}/refresh`, regardless of case, with one trailing slash allowed (routes).
    pub(crate) fn matching(endpoint: &str, path: &str) -> Option<Self> {
        let (head, tail) = path.split_at_checked(endpoint.len())?;
        if !head.eq_ignore_ascii_case(endpoint) {
            return None;
        }
        match tail.strip_suffix('/').unwrap_or(tail) {
            "" => Some(Self::Connect),
            rest if rest.eq_ignore_ascii_case("/negotiate") => Some(Self::Negotiate),
            rest if rest.eq_ignore_ascii_case("/refresh") => Some(Self::Refresh),
            _ => None,
        }
    }
}

/// Answers one request. The origin is checked before authentication, because a preflight has no credentials.
pub(crate) async fn answer<B>(
    mounted: &Mounted,
    route: Route,
    request: Request<RequestBody<B>>,
    default_origins: Option<&Origins>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let span = request_id::span(&head);
    answer_parts(mounted, route, &head, body, default_origins).instrument(span).await
}

async fn answer_parts<B>(
    mounted: &Mounted,
    route: Route,
    head: &Parts,
    body: RequestBody<B>,
    default_origins: Option<&Origins>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut response = answer_page(mounted, route, head, body, default_origins).await;
    if response.extensions().get::<Relayed>().is_some() {
        return response;
    }
    let Some(added) = mounted.endpoint.added_headers() else { return response };
    match panics::catch_call(|| added.add(head, response.headers_mut())) {
        Ok(()) => response,
        Err(failed) => failed,
    }
}

/// Checks which web page sent a request, and answers it.
async fn answer_page<B>(
    mounted: &Mounted,
    route: Route,
    head: &Parts,
    body: RequestBody<B>,
    default_origins: Option<&Origins>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let token = token(head);
    let wanted = ticket_use(route, token.as_deref());
    let cors = match panics::catch(check_origin(mounted, head, default_origins, wanted)).await {
        Ok(None) => None,
        Ok(Some(OriginCheck::Accepted(cors))) => Some(cors),
        Ok(Some(OriginCheck::Preflight(response))) | Err(response) => return response,
        Ok(Some(OriginCheck::Foreign(response))) => return refuse_page(&mounted.registry, head, response),
    };
    let response = panics::catch(handle(mounted, route, head, body, wanted)).await.unwrap_or_else(|failed| failed);
    if response.extensions().get::<Relayed>().is_some() {
        return response;
    }
    add_cors_headers(&mounted.registry, cors.as_ref(), response)
}

async fn check_origin(
    mounted: &Mounted,
    head: &Parts,
    default_origins: Option<&Origins>,
    wanted: TicketUse<'_>,
) -> Option<OriginCheck> {
    let endpoint = &mounted.endpoint;
    let origins = endpoint.own_origins().or(default_origins)?;
    let mut has_refused_token = false;
    let checked = origins.check(head, || {
        let is_valid = mounted.has_valid_bearer_token(head, wanted);
        has_refused_token = !is_valid;
        is_valid
    });
    match has_refused_token.then(|| endpoint.access().bearer_token_ready(head)).flatten() {
        None => Some(checked),
        Some(ready) => {
            ready.await;
            Some(origins.check(head, || mounted.has_valid_bearer_token(head, wanted)))
        }
    }
}

/// Authenticates and answers a request. Authentication comes first, as in the original.
async fn handle<B>(
    mounted: &Mounted,
    route: Route,
    head: &Parts,
    body: RequestBody<B>,
    wanted: TicketUse<'_>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    if let Some(node) = mounted.registry.node() {
        return Box::pin(in_cluster::handle(Asked { mounted, node, route, head }, body, wanted)).await;
    }
    if route == Route::Refresh {
        return refresh::refresh(mounted, head).await;
    }
    match mounted.admit(head, wanted).await {
        Ok(admitted) => handle_admitted(mounted, route, head, body, admitted).await,
        Err(refusal) => mounted.refuse(refusal, head),
    }
}

/// Answers the request of an admitted client.
async fn handle_admitted<B>(
    mounted: &Mounted,
    route: Route,
    head: &Parts,
    body: RequestBody<B>,
    admitted: Admitted,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    match (route, &head.method) {
        (Route::Negotiate, &Method::POST) => negotiate(mounted, head, &admitted),
        (Route::Connect, &Method::GET) => connect(mounted, head, body.is_end_stream(), admitted).await,
        (Route::Connect, &Method::POST) => requests::send(mounted, head, body, &admitted).await,
        (Route::Connect, &Method::DELETE) => long_polling::delete(mounted, head, &admitted.identity),
        _ => {
            let response = text(StatusCode::METHOD_NOT_ALLOWED, "");
            mounted.reject(ClientError::MethodNotAllowed, "the path takes other methods", response)
        }
    }
}

/// How many seconds the credentials of a client are still valid, if it can refresh them.
fn lifetime(mounted: &Mounted, admitted: &Admitted) -> Option<u64> {
    if mounted.endpoint.has_refresh_route() { refresh::lifetime(&admitted.identity) } else { None }
}

/// What a request with a ticket needs the ticket for, given the token of the connection that it names.
fn ticket_use(route: Route, token: Option<&str>) -> TicketUse<'_> {
    match (route, token) {
        (Route::Negotiate, _) => TicketUse::Negotiate,
        (Route::Connect | Route::Refresh, Some(token)) => TicketUse::Connection(token),
        (Route::Connect | Route::Refresh, None) => TicketUse::Open,
    }
}

fn negotiate(mounted: &Mounted, head: &Parts, admitted: &Admitted) -> Response<Body> {
    let body = match NegotiateVersion::choose(head.uri.query(), mounted.endpoint.minimum_version()) {
        Err(error) => {
            let response = Response::new(Body::from(negotiate::refusal(&error)));
            mounted.registry.negotiations().count(NegotiationOutcome::Invalid);
            return json(mounted.reject(ClientError::InvalidNegotiation, error, response));
        }
        Ok(version) => {
            if let Some(redirection) = redirect(mounted, head, admitted, version) {
                return redirection;
            }
            let reconnect = negotiate::choose_reconnect(head.uri.query(), mounted.endpoint.allowed_reconnect());
            let (node, owner) = (mounted.registry.node(), mounted.owner(&admitted.identity));
            let ticket = admitted.ticket;
            let names = match (node, version) {
                (Some(node), NegotiateVersion::Zero) => node.negotiate(&owner, reconnect, Naming::Shared, ticket),
                (Some(node), NegotiateVersion::One) => node.negotiate(&owner, reconnect, Naming::Separate, ticket),
                (None, NegotiateVersion::Zero) => ConnectionNames::random_shared(),
                (None, NegotiateVersion::One) => ConnectionNames::random(),
            };
            let lifetime = lifetime(mounted, admitted);
            let body = negotiate::answer(version, &names, reconnect, lifetime, mounted.endpoint.offered());
            let quota_key = QuotaKey::new(owner, head);
            let negotiated = match node {
                // The token says everything, so any node can open the connection.
                Some(_) => mounted.registry.may_negotiate(&quota_key),
                None => mounted.registry.negotiate(names, reconnect, &quota_key, ticket),
            };
            if let Err(error) = negotiated {
                mounted.registry.negotiations().count(NegotiationOutcome::Refused);
                return mounted.refuse_attach(error, head);
            }
            mounted.registry.negotiations().count(NegotiationOutcome::Ok);
            body
        }
    };
    json(Response::new(Body::from(body)))
}

/// Answers a negotiation with a ticket, if its client gets one.
fn redirect(mounted: &Mounted, head: &Parts, admitted: &Admitted, version: NegotiateVersion) -> Option<Response<Body>> {
    let Admitted { identity, ticket } = admitted;
    let tickets = mounted.endpoint.offered_tickets().filter(|tickets| ticket.is_none() && tickets.are_for(head))?;
    let bearer = bearer_token(head).filter(|_| identity.user.is_some())?;
    let url = tickets.url(head)?;
    let quota_key = mounted.quota_key(identity, head);
    let issued = match mounted.registry.node() {
        // The ticket holds what it stands for, so any node can open it.
        Some(node) => {
            let ticket = node.seal_ticket(&quota_key.owner, &bearer);
            mounted.registry.may_negotiate(&quota_key).map(|()| ticket)
        }
        None => {
            let ticket = Ticket::random();
            let issued = mounted.registry.issue_ticket(ticket.hash(), identity, tickets.time(), &quota_key);
            issued.map(|()| ticket).map_err(AttachError::from)
        }
    };
    Some(match issued {
        Ok(ticket) => {
            mounted.registry.negotiations().count(NegotiationOutcome::Ticket);
            let lifetime = lifetime(mounted, admitted);
            json(Response::new(Body::from(negotiate::redirection(version, &url, &ticket, lifetime))))
        }
        Err(error) => {
            mounted.registry.negotiations().count(NegotiationOutcome::Refused);
            mounted.refuse_attach(error, head)
        }
    })
}

/// Chooses the transport in the original's order: event stream, WebSocket, poll.
async fn connect(mounted: &Mounted, head: &Parts, bodiless: bool, admitted: Admitted) -> Response<Body> {
    if accepts_event_stream(head) {
        return server_sent_events::connect(mounted, head, admitted.identity);
    }
    match accept_key(head, bodiless) {
        Some(key) => websocket::connect(mounted, head, admitted, &key),
        None => no_cache(long_polling::poll(mounted, head, admitted).await),
    }
}

/// The key of the answer, if a request is an upgrade to a WebSocket.
fn accept_key(head: &Parts, bodiless: bool) -> Option<String> {
    // An upgrade with a body is ignored: one side would read the body as frames. So is one of HTTP/1.0, whose proxies
    // forward unknown headers (RFC 9110, section 7.8).
    let may_upgrade = bodiless && head.version != Version::HTTP_10;
    websocket_codec::accept_key(&head.headers).filter(|_| may_upgrade)
}

fn json(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Looks for exactly this media type, without parameters, as the original does.
fn accepts_event_stream(head: &Parts) -> bool {
    let accepted = head.headers.get_all(http::header::ACCEPT);
    accepted
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|media_type| media_type.trim().eq_ignore_ascii_case("text/event-stream"))
}

#[cfg(test)]
mod tests;
