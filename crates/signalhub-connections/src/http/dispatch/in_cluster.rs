//! How a node of a cluster answers a request: by itself, or by the node that owns the connection.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use hyper::body::Body as HttpBody;

use super::locate::{self, Asked, Located, OpenedTicket, refuse_ticket, shared_ticket};
use super::{Route, accept_key, accepts_event_stream, handle_admitted, refresh};
use crate::auth::identity::{Identity, Owner};
use crate::auth::ticket::{Ticket, TicketHash};
use crate::cluster::counts::ForwardKind;
use crate::http::body::Body;
use crate::http::forwarding::{self, ConnectionOwner};
use crate::http::mounted::{Admitted, token};
use crate::http::request_body::RequestBody;
use crate::http::tickets::Tickets;
use crate::registry::{TicketError, TicketUse};

/// Authenticates a request, and answers it, or forwards it to the node that owns its connection.
pub(super) async fn handle<B>(asked: Asked<'_>, body: RequestBody<B>, wanted: TicketUse<'_>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let Asked { mounted, route, head, .. } = asked;
    let admitted = match route {
        // If the owner refuses the credentials, its answer says more.
        Route::Refresh => match mounted.admit_renewal(head).await {
            Ok(identity) => Admitted { identity, ticket: None },
            Err(_) => return refresh::refresh(mounted, head).await,
        },
        Route::Negotiate | Route::Connect => {
            let ticket = mounted.endpoint.offered_tickets().and_then(|_| Ticket::of_request(head));
            match ticket {
                Some(ticket) => return with_ticket(asked, body, wanted, &ticket).await,
                None => match mounted.admit(head, wanted).await {
                    Ok(admitted) => admitted,
                    Err(refusal) => return mounted.refuse(refusal, head),
                },
            }
        }
    };
    let token = token(head).filter(|_| route != Route::Negotiate);
    let owner = mounted.owner(&admitted.identity);
    let located = match &token {
        Some(token) => locate::locate(asked, &owner, token, None).await,
        None => Located::Here,
    };
    match located {
        Located::At(..) | Located::Refused(_) => elsewhere(asked, body, located).await,
        Located::Here | Located::Adopted if route == Route::Refresh => refresh::refresh(mounted, head).await,
        Located::Here => handle_admitted(mounted, route, head, body, admitted).await,
        Located::Adopted => {
            let response = handle_admitted(mounted, route, head, body, admitted).await;
            token.iter().for_each(|token| mounted.registry.abandon(token));
            response
        }
    }
}

/// Answers a request whose credentials are a ticket.
async fn with_ticket<B>(
    asked: Asked<'_>,
    body: RequestBody<B>,
    wanted: TicketUse<'_>,
    ticket: &Ticket,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let Asked { mounted, node, route, head } = asked;
    let Some(content) = node.open_ticket(ticket, mounted.number) else {
        return refuse_ticket(asked, TicketError::Unknown).await;
    };
    let opened = OpenedTicket { hash: ticket.hash(), content: &content };
    let TicketUse::Connection(token) = wanted else {
        return match admit_unbound(asked, wanted, opened).await {
            Ok(admitted) => handle_admitted(mounted, route, head, body, admitted).await,
            Err(response) => *response,
        };
    };
    match mounted.registry.identity_of_ticket(opened.hash, wanted, mounted.number) {
        Err(TicketError::Unknown | TicketError::OtherConnection) => {}
        // At its owner, the ticket stands for the newest credentials of the connection.
        known => return with_own_ticket(asked, body, opened.hash, known).await,
    }
    let owner = Owner { endpoint: mounted.number, principal: content.principal.clone() };
    let is_bound = node.read_token(&owner, token).is_ok_and(|signed| node.is_bound_to(&signed, opened.hash));
    if !is_bound {
        return refuse_ticket(asked, TicketError::OtherConnection).await;
    }
    match locate::locate(asked, &owner, token, Some(opened)).await {
        Located::Adopted => {
            let known = mounted.registry.identity_of_ticket(opened.hash, wanted, mounted.number);
            let response = with_own_ticket(asked, body, opened.hash, known).await;
            mounted.registry.abandon(token);
            response
        }
        // Nothing is known of the connection any more.
        Located::Here => refuse_ticket(asked, TicketError::OtherConnection).await,
        located => elsewhere(asked, body, located).await,
    }
}

/// Answers a request for a connection of this node, whose ticket it has.
async fn with_own_ticket<B>(
    Asked { mounted, route, head, .. }: Asked<'_>,
    body: RequestBody<B>,
    hash: TicketHash,
    known: Result<Arc<Identity>, TicketError>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    match mounted.admit_ticket(head, known).await {
        Ok(identity) => handle_admitted(mounted, route, head, body, Admitted { identity, ticket: Some(hash) }).await,
        Err(refusal) => mounted.refuse(refusal, head),
    }
}

/// Admits a request that negotiates with a ticket, or opens a connection that was not negotiated. The error is the answer.
async fn admit_unbound(
    asked: Asked<'_>,
    wanted: TicketUse<'_>,
    OpenedTicket { hash, content }: OpenedTicket<'_>,
) -> Result<Admitted, Box<Response<Body>>> {
    let Asked { mounted, head, .. } = asked;
    let lifetime = mounted.endpoint.offered_tickets().map(Tickets::time).unwrap_or_default();
    if content.time_left(SystemTime::now(), lifetime).is_zero() {
        return Err(Box::new(refuse_ticket(asked, TicketError::Unknown).await));
    }
    let shared = shared_ticket(asked, hash, content);
    if !shared.is_open().await {
        return Err(Box::new(refuse_ticket(asked, TicketError::OtherConnection).await));
    }
    let admitted = mounted.admit_bearer(head, &content.bearer).await;
    let identity = admitted.map_err(|refusal| Box::new(mounted.refuse(refusal, head)))?;
    let ticket = match wanted {
        // No further request can name the connection, so the ticket is of no more use.
        TicketUse::Open => {
            shared.close();
            None
        }
        TicketUse::Negotiate | TicketUse::Connection(_) => Some(hash),
    };
    Ok(Admitted { identity, ticket })
}

/// Answers a request that this node does not answer by itself.
async fn elsewhere<B>(asked: Asked<'_>, body: RequestBody<B>, located: Located) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let Asked { mounted, node, head, .. } = asked;
    match located {
        Located::At(owner, connection) => {
            let kind = forward_kind(head, body.is_end_stream());
            let owner = ConnectionOwner { node: owner, connection };
            forwarding::forward(mounted, node, &owner, kind, head, body).await
        }
        Located::Refused(response) => *response,
        Located::Here | Located::Adopted => mounted.unknown(),
    }
}

/// What a request for a connection of another node is for.
fn forward_kind(head: &Parts, bodiless: bool) -> ForwardKind {
    match head.method {
        Method::POST => ForwardKind::Send,
        Method::GET if accepts_event_stream(head) => ForwardKind::Events,
        Method::GET if accept_key(head, bodiless).is_some() => ForwardKind::Socket,
        _ => ForwardKind::Poll,
    }
}
