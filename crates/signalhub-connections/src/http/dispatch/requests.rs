//! The requests that event streams and long polling have in common: attaching a transport, and the POSTs that send bytes.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use tracing::Span;

use crate::auth::identity::Identity;
use crate::connection::Connection;
use crate::counts::client_errors::ClientError;
use crate::http::answers::{text, unknown, unsupported_coding};
use crate::http::body::Body;
use crate::http::mounted::{Admitted, Mounted, token};
use crate::http::request_body::{BodyError, RequestBody};
use crate::outbound::Writer;
use crate::registry::{AttachError, Attached, Link, NewTransport};
use crate::request::content_coding::content_coding;
use crate::transport::Transport;
use crate::transport::inbox::Inbox;
use crate::transport_kind::TransportKind;

/// Attaches an event stream or long polling, and starts the connection.
pub(super) fn attach_inbox(
    mounted: &Mounted,
    token: &str,
    head: &Parts,
    identity: Arc<Identity>,
    kind: TransportKind,
    link: impl FnOnce(&Arc<Inbox>) -> Link,
) -> Result<Arc<Inbox>, AttachError> {
    let limits = mounted.endpoint.queue_limits();
    let quota_key = mounted.quota_key(&identity, head);
    let expires = mounted.endpoint.access().closing_time(&identity);
    let make = |early: Option<Arc<Inbox>>, _| {
        // Bytes that were or are being posted before the transport was attached stay in the same inbox.
        let inbox =
            early.unwrap_or_else(|| Inbox::early(limits, mounted.registry.backlog(), mounted.registry.traffic()));
        let writer = if kind == TransportKind::ServerSentEvents { Writer::Stream } else { Writer::Poll };
        inbox.attach(writer, &identity);
        NewTransport { link: link(&inbox), made: inbox }
    };
    let Attached { id, registration, reconnect, made: inbox } =
        mounted.registry.attach(token, kind, &quota_key, make)?;
    let (send_queue, transport) = (Arc::clone(inbox.send_queue()), Transport::Inbox(Arc::clone(&inbox)));
    let connection =
        Connection::new(id, identity, send_queue, transport).with_registration(registration).closing_at(expires);
    let connection = connection.resumable(reconnect, None).coming_from(head.extensions.get().copied());
    let connection = connection.with_opening_request(mounted.opening_request(head));
    mounted.spawn(connection, &Span::current());
    Ok(inbox)
}

/// Adds the body of a request to the input of its connection, chunk by chunk as there is room. It ends with the connection.
pub(super) async fn send<B>(
    mounted: &Mounted,
    head: &Parts,
    body: RequestBody<B>,
    Admitted { identity, ticket }: &Admitted,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let Some(token) = token(head) else { return mounted.missing_id() };
    let inbox = match mounted.registry.inbox(&token, &mounted.owner(identity), mounted.endpoint.queue_limits()) {
        None => return mounted.unknown(),
        Some(Err(_)) => {
            let answer = "POST requests are not allowed for WebSocket connections.";
            let response = text(StatusCode::METHOD_NOT_ALLOWED, answer);
            return mounted.reject(ClientError::OtherTransport, "a POST to a WebSocket", response);
        }
        Some(Ok(inbox)) => inbox,
    };
    if let Some(coding) = content_coding(&head.headers) {
        return mounted.reject(ClientError::UnsupportedEncoding, &coding, unsupported_coding(&coding));
    }
    // A ticket is not new credentials: it stands for those of the connection.
    if ticket.is_none() {
        inbox.renew(identity, mounted.endpoint.access().closing_time(identity));
    }
    tokio::select! {
        biased;
        answer = post(mounted, &inbox, body) => answer,
        () = inbox.closed() => {
            mounted.reject(ClientError::UnknownConnection, "the connection ended before the body", unknown())
        }
    }
}

/// Puts a whole body into an inbox.
async fn post<B>(mounted: &Mounted, inbox: &Inbox, mut body: RequestBody<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let overdue = || text(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.");
    let Ok(_turn) = body.wait_for(inbox.turn(), || inbox.is_full()).await else { return overdue() };
    while let Some(chunk) = body.frame().await {
        match chunk.map(|chunk| chunk.into_data()) {
            Ok(Ok(bytes)) => inbox.push(&bytes).await,
            // Trailers are ignored.
            Ok(Err(_)) => {}
            Err(BodyError::Overdue) => {
                return text(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.");
            }
            Err(BodyError::Broken(_)) => {
                let response = text(StatusCode::BAD_REQUEST, "");
                return mounted.reject(ClientError::BrokenBody, "the body broke off", response);
            }
        }
    }
    text(StatusCode::OK, "")
}
