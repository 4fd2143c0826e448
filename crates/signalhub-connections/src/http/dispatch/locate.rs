//! Which node of a cluster answers a request for a connection.
//!
//! | the connection is | answered by |
//! |---|---|
//! | one of this node | this node |
//! | one of another node | that node, to which the request is forwarded |
//! | open nowhere, its token is good, and the request brings a transport | this node, which claims the connection |
//! | otherwise unknown | this node, with 404 |
//! | perhaps one of another node, and the store of the owners is not available | this node: a WebSocket is opened without a claim, other requests get 503 |

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Route;
use http::header::{HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::auth::identity::Owner;
use crate::auth::ticket::TicketHash;
use crate::cluster::claim::{Claimed, ConnectionClaim};
use crate::cluster::counts::{ForwardRefusal, TokenRefusal};
use crate::cluster::forward_header::FromNode;
use crate::cluster::node::Node;
use crate::cluster::owners::{Claim, OwnersUnavailable};
use crate::cluster::sealed_ticket::SealedTicket;
use crate::cluster::shared_ticket::SharedTicket;
use crate::cluster::this_node::ThisNode;
use crate::cluster::token::{ConnectionKey, SignedToken};
use crate::http::answers::text;
use crate::http::body::Body;
use crate::http::mounted::Mounted;
use crate::http::tickets::Tickets;
use crate::limits::quota::QuotaKey;
use crate::registry::{AttachError, ConnectionTicket, TicketError};
use crate::websocket_codec;

/// After how many seconds a client may try again while the store of the owners is not available.
const RETRY: HeaderValue = HeaderValue::from_static("1");

/// Where a request is answered.
pub(super) enum Located {
    /// By this node.
    Here,
    /// By this node, which has just become the owner of the connection. If the connection gets no transport from the
    /// request, it must be abandoned.
    Adopted,
    /// By another node.
    At(Node, ConnectionKey),
    Refused(Box<Response<Body>>),
}

/// A request to a node of a cluster.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) mounted: &'a Mounted,
    pub(super) node: &'a Arc<ThisNode>,
    pub(super) route: Route,
    pub(super) head: &'a Parts,
}

/// A ticket that was opened. It stands for the client's own token.
#[derive(Clone, Copy)]
pub(super) struct OpenedTicket<'a> {
    pub(super) hash: TicketHash,
    pub(super) content: &'a SealedTicket,
}

/// Finds the node that answers a request for the connection of a token, which must belong to this owner. If the credentials
/// are a ticket, the token must be bound to it.
pub(super) async fn locate(asked: Asked<'_>, owner: &Owner, token: &str, ticket: Option<OpenedTicket<'_>>) -> Located {
    let Asked { mounted, node, route, head } = asked;
    if mounted.registry.find(token, owner).is_some() {
        return Located::Here;
    }
    if let Some(FromNode(from)) = head.extensions.get() {
        let reason = ForwardRefusal::NotOwner;
        node.counts.0.count_refused_forward(reason);
        tracing::debug!(reason = reason.label(), %from, "a forwarded request was refused");
        return Located::Here;
    }
    let signed = match node.read_token(owner, token) {
        Ok(signed) => signed,
        Err(TokenRefusal::Forged) if route == Route::Refresh => return find_unverified(asked, token).await,
        Err(reason) => return unusable(node, reason),
    };
    let key = signed.key();
    if let Some(other) = node.remembered(&key) {
        return Located::At(other, key);
    }
    let time_left = signed.time_left(SystemTime::now(), mounted.registry.negotiation_lifetime());
    match time_left {
        Some(left) if head.method == Method::GET => open(asked, owner, (token, &signed, left), ticket).await,
        _ => find(asked, &signed, time_left).await,
    }
}

/// Finds the node that answers a refresh whose token was not made for the client: the owner tells a client whose connection is of another
/// user so. The token is checked there.
async fn find_unverified(Asked { node, .. }: Asked<'_>, token: &str) -> Located {
    let Some((token, ..)) = SignedToken::parse(token) else { return unusable(node, TokenRefusal::Malformed) };
    let key = token.key();
    if let Some(other) = node.remembered(&key) {
        return Located::At(other, key);
    }
    match node.find(&token).await {
        Ok(Some(other)) if other.name != node.name => Located::At(other, key),
        Ok(_) => unusable(node, TokenRefusal::Forged),
        Err(error) => unavailable(node, &error),
    }
}

/// Finds the node that owns the connection of a token, which this request cannot open.
async fn find(Asked { node, .. }: Asked<'_>, signed: &SignedToken, time_left: Option<Duration>) -> Located {
    let key = signed.key();
    match node.find(signed).await {
        Ok(Some(other)) if other.name != node.name => Located::At(other, key),
        Ok(_) if node.is_used_up(&key) => unusable(node, TokenRefusal::Used),
        Ok(_) if time_left.is_none() => unusable(node, TokenRefusal::Expired),
        Ok(_) => Located::Here,
        Err(error) => unavailable(node, &error),
    }
}

/// Makes this node the owner of a connection that no node owns.
async fn open(
    asked: Asked<'_>,
    owner: &Owner,
    (token, signed, left): (&str, &SignedToken, Duration),
    ticket: Option<OpenedTicket<'_>>,
) -> Located {
    let Asked { mounted, node, head, .. } = asked;
    let (id, key) = (signed.public_id(), signed.key());
    if node.is_used_up(&key) {
        return unusable(node, TokenRefusal::Used);
    }
    let ticket = match ticket {
        None => None,
        Some(ticket) => match connection_ticket(asked, ticket).await {
            Ok(ticket) => Some(ticket),
            // At the owner of a connection that is open already, the ticket stands for its newest credentials.
            Err(response) => match find(asked, signed, Some(left)).await {
                Located::Here => return Located::Refused(response),
                located => return located,
            },
        },
    };
    let lasting = ThisNode::accepted_anywhere(left);
    let claimed = match node.claim(signed, lasting).await {
        Ok(Claim::Here) => Claimed::Yes,
        Ok(Claim::At(other)) if other.name != node.name => return Located::At(other, key),
        Ok(Claim::At(_) | Claim::Ended) => return unusable(node, TokenRefusal::Used),
        // A WebSocket needs no further request. Other transports would not work, since their requests may reach other nodes.
        Err(_) if websocket_codec::accept_key(&head.headers).is_some() => Claimed::NotYet,
        Err(error) => return unavailable(node, &error),
    };
    let quota_key = QuotaKey::new(owner.clone(), head);
    let claim = || {
        // It may have been used up while the store was asked.
        let is_good = !node.is_used_up(&key);
        is_good.then(|| ConnectionClaim::new(node, (id.clone(), key), lasting, claimed))
    };
    match mounted.registry.adopt(signed.names(token), signed.reconnect, &quota_key, ticket, claim) {
        Ok(()) => Located::Adopted,
        Err(AttachError::Unknown) => unusable(node, TokenRefusal::Used),
        Err(error) => {
            // The client may try again at another node.
            node.owners.release(&id, Duration::ZERO);
            Located::Refused(Box::new(mounted.refuse_attach(error, head)))
        }
    }
}

/// Authenticates the client of a ticket that opens a connection. The error is the answer.
async fn connection_ticket(
    asked: Asked<'_>,
    OpenedTicket { hash, content }: OpenedTicket<'_>,
) -> Result<ConnectionTicket, Box<Response<Body>>> {
    let shared = shared_ticket(asked, hash, content);
    if !shared.is_open().await {
        return Err(Box::new(refuse_ticket(asked, TicketError::OtherConnection).await));
    }
    match asked.mounted.admit_bearer(asked.head, &content.bearer).await {
        Ok(identity) => Ok(ConnectionTicket::shared(hash, identity, shared)),
        Err(refusal) => Err(Box::new(asked.mounted.refuse(refusal, asked.head))),
    }
}

/// What closes a ticket at all nodes.
pub(super) fn shared_ticket(
    Asked { mounted, node, .. }: Asked<'_>,
    hash: TicketHash,
    content: &SealedTicket,
) -> SharedTicket {
    let lifetime = mounted.endpoint.offered_tickets().map(Tickets::time).unwrap_or_default();
    // A connection that was negotiated at the last moment may be opened later.
    let lifetime = lifetime.saturating_add(mounted.registry.negotiation_lifetime());
    SharedTicket::new(node, hash, content.time_left(SystemTime::now(), lifetime))
}

/// Refuses a request because of its ticket.
pub(super) async fn refuse_ticket(Asked { mounted, head, .. }: Asked<'_>, error: TicketError) -> Response<Body> {
    match mounted.admit_ticket(head, Err(error)).await {
        Err(refusal) => mounted.refuse(refusal, head),
        // The endpoint admits clients without credentials, to which the connection is unknown.
        Ok(_) => mounted.unknown(),
    }
}

/// The token opens nothing, so the connection is as unknown as that of any other text.
fn unusable(node: &ThisNode, reason: TokenRefusal) -> Located {
    node.refuse_token(reason);
    Located::Here
}

fn unavailable(node: &ThisNode, error: &OwnersUnavailable) -> Located {
    node.counts.0.count_unavailable();
    tracing::debug!(%error, "a request was refused, because the owner of its connection is not known");
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "");
    response.headers_mut().insert(RETRY_AFTER, RETRY);
    Located::Refused(Box::new(response))
}
