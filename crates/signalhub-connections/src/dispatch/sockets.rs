//! WebSockets: a connection's first one, and those that its client comes back with.

use std::sync::Arc;

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Mounted, token};
use crate::answers::{empty, not_offered};
use crate::body::Body;
use crate::connection::Transport;
use crate::handover::{Arrival, Handover};
use crate::limits::Party;
use crate::outbound::{Lane, Outlet};
use crate::pace::Watched;
use crate::registry::{AttachError, Attached, Link, Resumable};
use crate::socket::{Io, Socket};
use crate::{Connection, Identity, Reconnect, TransportKind};

impl Mounted {
    pub(super) fn connect_websocket(
        &self,
        head: &Parts,
        identity: Identity,
        upgrade: OnUpgrade,
        accept_key: &str,
    ) -> Response<Body> {
        let token = token(head);
        if token.as_deref().is_some_and(|token| self.registry.find(token).is_none()) {
            // The original sets no content type here.
            return crate::answers::body(StatusCode::NOT_FOUND, "No Connection with that ID");
        }
        if !self.endpoint.offered().contains(TransportKind::WebSockets) {
            return not_offered(TransportKind::WebSockets);
        }
        let party = Party::new(&identity, head);
        let resumable = token.as_deref().and_then(|token| self.registry.resume(token, &identity, &party));
        let accepted = match resumable {
            Some(resumable) => resumable.map(|resumable| self.hand_over(resumable, head, &identity, upgrade)),
            None => self.attach_websocket((token.as_deref(), head), &party, identity, upgrade),
        };
        if let Err(error) = accepted {
            return self.refuse_attach(error);
        }
        let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::from_str(accept_key).expect("an accept key is base64");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        response
    }

    /// Gives a connection its first WebSocket.
    fn attach_websocket(
        &self,
        (token, head): (Option<&str>, &Parts),
        party: &Party,
        identity: Identity,
        upgrade: OnUpgrade,
    ) -> Result<(), AttachError> {
        let lane = Arc::new(Lane::new(self.endpoint.queue_limits(), Outlet::Task));
        let identity = Arc::new(identity);
        let mut early = Vec::new();
        let mut handover = None;
        let attached = match token {
            Some(token) => self.registry.attach(token, TransportKind::WebSockets, party, |posted, reconnect| {
                if let Some(mailbox) = posted {
                    mailbox.abandon();
                    early = mailbox.take();
                }
                if reconnect == Reconnect::Stateful {
                    handover = Some(Handover::new(Arc::clone(&identity), self.endpoint.patience()));
                }
                (Link::WebSocket { lane: Arc::clone(&lane), handover: handover.clone() }, ())
            }),
            None => self.registry.admit(&lane, party),
        };
        let Attached { id, seat, reconnect, .. } = attached?;
        let (expires, remote) = (self.endpoint.closing_time(&identity), head.extensions.get().copied());
        self.spawn(async move {
            let socket = open_socket(upgrade, early).await?;
            lane.set_outlet(socket.outlet());
            let connection = Connection::new(id, identity, lane, Transport::WebSocket(socket)).with_seat(seat);
            Some(connection.resumable(reconnect, handover).closing_at(expires).coming_from(remote))
        });
        Ok(())
    }

    /// Gives a connection that is there already another WebSocket.
    fn hand_over(&self, resumable: Resumable, head: &Parts, identity: &Identity, upgrade: OnUpgrade) {
        let (expires, remote) = (self.endpoint.closing_time(identity), head.extensions.get().copied());
        tokio::spawn(async move {
            if let Some(socket) = open_socket(upgrade, Vec::new()).await {
                let Resumable { lane, handover } = resumable;
                handover.bring(Arrival { transport: Transport::WebSocket(socket), expires, remote }, &lane);
            }
        });
    }
}

/// Waits for the upgrade and takes the socket out of hyper's hands, with what the client has sent ahead.
async fn open_socket(upgrade: OnUpgrade, early: Vec<u8>) -> Option<Socket> {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "the upgrade did not complete");
            return None;
        }
    };
    // The bytes are copied, because the buffer they lie in is far larger than they are.
    let (io, frames) = match upgraded.downcast::<TokioIo<Watched>>() {
        Ok(parts) => (Io::Tcp(Arc::new(parts.io.into_inner().into_socket())), parts.read_buf.to_vec()),
        Err(upgraded) => match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (Io::Tcp(Arc::new(parts.io.into_inner())), parts.read_buf.to_vec()),
            Err(upgraded) => (Io::stream(TokioIo::new(upgraded)), Vec::new()),
        },
    };
    Some(Socket::new(io, early, frames))
}
