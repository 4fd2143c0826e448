//! Requests for WebSockets: the first one of a connection, and later ones that resume it.

use std::sync::Arc;

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::request::Parts;
use http::{Response, StatusCode};
use tracing::Span;

use crate::connection::Connection;
use crate::counts::client_errors::ClientError;
use crate::http::body::{Accept, Body};
use crate::http::mounted::{Admitted, Mounted, token};
use crate::limits::quota::QuotaKey;
use crate::outbound::{SendQueue, Writer};
use crate::registry::{AttachError, Attached, Link, NewTransport, Resumable};
use crate::transport::Transport;
use crate::transport::handover::{Arrival, Handover};
use crate::transport::reconnect::Reconnect;
use crate::transport::websocket::Socket;
use crate::transport_kind::TransportKind;

/// Answers the request of a WebSocket.
pub(super) fn connect(mounted: &Mounted, head: &Parts, admitted: Admitted, accept_key: &str) -> Response<Body> {
    let (token, quota_key) = (token(head), mounted.quota_key(&admitted.identity, head));
    if token.as_deref().is_some_and(|token| mounted.registry.find(token, &quota_key.owner).is_none()) {
        // As in the original, there is no content type.
        let response = crate::http::answers::body(StatusCode::NOT_FOUND, "No Connection with that ID");
        return mounted.reject(ClientError::UnknownConnection, "there is no connection with this id", response);
    }
    if !mounted.endpoint.offered().contains(TransportKind::WebSockets) {
        return mounted.not_offered(TransportKind::WebSockets);
    }
    let resumable = token.as_deref().and_then(|token| mounted.registry.resume(token, &quota_key));
    let accepted = match resumable {
        Some(resumable) => resumable.map(|resumable| hand_over(mounted, resumable, head, admitted)),
        None => attach(mounted, token.as_deref(), head, &quota_key, admitted),
    };
    let accept = match accepted {
        Ok(accept) => accept,
        Err(error) => return mounted.refuse_attach(error, head),
    };
    let mut response = Response::new(Body::socket(accept));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(accept_key).expect("an accept key is base64");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(subprotocol) = mounted.endpoint.select_subprotocol(&head.headers) {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    response
}

/// Gives a connection its first WebSocket.
fn attach(
    mounted: &Mounted,
    token: Option<&str>,
    head: &Parts,
    quota_key: &QuotaKey,
    Admitted { identity, ticket }: Admitted,
) -> Result<Accept, AttachError> {
    let (backlog, traffic) = (Arc::clone(mounted.registry.backlog()), Arc::clone(mounted.registry.traffic()));
    let send_queue = Arc::new(SendQueue::new(mounted.endpoint.queue_limits(), backlog, traffic, Writer::Task));
    let mut early = Vec::new();
    let mut handover = None;
    let attached = match token {
        Some(token) => mounted.registry.attach(token, TransportKind::WebSockets, quota_key, |posted, reconnect| {
            if let Some(inbox) = posted {
                inbox.abandon();
                early = inbox.take();
            }
            if reconnect == Reconnect::Stateful {
                handover = Some(Handover::new(mounted.endpoint.disconnect_time()));
            }
            let link = Link::WebSocket { send_queue: Arc::clone(&send_queue), handover: handover.clone() };
            NewTransport { link, made: () }
        }),
        None => mounted.registry.admit(&send_queue, quota_key, ticket),
    };
    let Attached { id, registration, reconnect, .. } = attached?;
    let (expires, remote) = (mounted.endpoint.access().closing_time(&identity), head.extensions.get().copied());
    let (mounted, opening_request, span) = (mounted.clone(), mounted.opening_request(head), Span::current());
    Ok(Box::new(move |io, frames| {
        let socket = Socket::new(io.with_messages(mounted.endpoint.stream_messages()), early, frames);
        send_queue.set_writer(socket.writer());
        let connection =
            Connection::new(id, identity, send_queue, Transport::WebSocket(socket)).with_registration(registration);
        let connection = connection.resumable(reconnect, handover).closing_at(expires).coming_from(remote);
        mounted.spawn(connection.with_opening_request(opening_request), &span);
    }))
}

/// Gives a live connection another WebSocket.
fn hand_over(mounted: &Mounted, resumable: Resumable, head: &Parts, admitted: Admitted) -> Accept {
    let Admitted { identity, ticket } = admitted;
    let Resumable { send_queue, handover } = resumable;
    let remote = head.extensions.get().copied();
    let messages = mounted.endpoint.stream_messages();
    // They take effect before the transport arrives, and before the client gets the answer. A ticket is not new credentials:
    // it stands for those of the connection.
    if ticket.is_none() {
        send_queue.renew(mounted.endpoint.access().renewal(identity));
    }
    Box::new(move |io, frames| {
        let transport = Transport::WebSocket(Socket::new(io.with_messages(messages), Vec::new(), frames));
        handover.bring(Arrival { transport, remote }, &send_queue);
    })
}
