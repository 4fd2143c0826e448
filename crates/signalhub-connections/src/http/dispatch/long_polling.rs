//! The requests of long polling: polls, and the DELETE that ends a connection.

use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode};

use super::requests::attach_inbox;
use crate::auth::identity::Identity;
use crate::close::CloseReason;
use crate::counts::client_errors::ClientError;
use crate::http::answers::{octets, text};
use crate::http::body::Body;
use crate::http::mounted::{Admitted, FoundConnection, Mounted, token};
use crate::registry::{AttachError, Found, Link};
use crate::transport::inbox::Inbox;
use crate::transport::long_polling::{Polled, Polls, Present};
use crate::transport_kind::TransportKind;

/// Answers the first poll of a connection at once, and every later one when there is data.
pub(super) async fn poll(mounted: &Mounted, head: &Parts, admitted: Admitted) -> Response<Body> {
    let Admitted { identity, ticket } = admitted;
    let FoundConnection { token, attachment } =
        match mounted.find_connection(head, &identity, TransportKind::LongPolling) {
            Ok(found) => found,
            Err(response) => return response,
        };
    let polls = match attachment {
        Found::Attached(Link::Polls(polls)) => polls,
        Found::Attached(_) => return mounted.refuse_attach(AttachError::OtherTransport, head),
        Found::Waiting => {
            let timeout = mounted.endpoint.poll_time();
            let disconnect_timeout = mounted.endpoint.disconnect_time();
            let link = |inbox: &Arc<Inbox>| Link::Polls(Polls::new(Arc::clone(inbox), timeout, disconnect_timeout));
            return match attach_inbox(mounted, &token, head, identity, TransportKind::LongPolling, link) {
                Ok(_) => octets(Body::default()),
                Err(error) => mounted.refuse_attach(error, head),
            };
        }
    };
    // A ticket is not new credentials: it stands for those of the connection.
    if ticket.is_none() {
        polls.inbox().renew(&identity, mounted.endpoint.access().closing_time(&identity));
    }
    let present = Present::new(&polls);
    match polls.poll().await {
        Polled::Data(data) => octets(Body::messages(data, present)),
        Polled::TimedOut => text(StatusCode::OK, ""),
        Polled::Replaced => text(StatusCode::NO_CONTENT, ""),
        Polled::Ended => {
            mounted.registry.remove(&token);
            text(StatusCode::NO_CONTENT, "")
        }
    }
}

/// Ends a connection that polls; other connections end with their transport.
pub(super) fn delete(mounted: &Mounted, head: &Parts, identity: &Identity) -> Response<Body> {
    let Some(token) = token(head) else { return mounted.missing_id() };
    match mounted.registry.find(&token, &mounted.owner(identity)) {
        None => mounted.unknown(),
        Some(Found::Attached(Link::Polls(polls))) => {
            mounted.registry.remove(&token);
            polls.end(CloseReason::ClientClosed);
            text(StatusCode::ACCEPTED, "")
        }
        Some(_) => {
            let answer = "Cannot terminate this connection using the DELETE endpoint.";
            let response = text(StatusCode::BAD_REQUEST, answer);
            mounted.reject(ClientError::OtherTransport, "a DELETE of a connection without polls", response)
        }
    }
}
