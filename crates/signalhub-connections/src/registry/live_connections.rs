//! `LiveConnections`: the live connections of a server, one by one, for pages of operators.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::Registry;
use super::entry::{Entry, Link, Stage};
use crate::auth::identity::Principal;
use crate::close::dismissal::Dismissal;
use crate::counts::traffic::ConnectionTraffic;
use crate::id::ConnectionId;
use crate::outbound::{BacklogUsage, SendQueue};
use crate::request::remote_address::RemoteAddress;
use crate::transport_kind::TransportKind;

/// How many connections are looked at while the lock of the server is held.
const SLICE: usize = 64;

/// The live connections of a running server. [`Server::live_connections`](crate::Server::live_connections) makes it.
#[derive(Clone, Debug)]
pub struct LiveConnections(pub(crate) Arc<Registry>);

/// Which connections are wanted: those that are like this in every part that is set.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ConnectionSelection<'a> {
    /// The name of the user, in any organisation.
    pub user: Option<&'a str>,
    /// The organisation.
    pub organisation: Option<&'a str>,
    /// The transport.
    pub transport: Option<TransportKind>,
}

/// A connection that was live when it was listed. It does not keep the connection alive.
#[derive(Clone, Debug)]
pub struct LiveConnection {
    id: ConnectionId,
    principal: Principal,
    remote: Option<RemoteAddress>,
    since: Instant,
    transport: TransportKind,
    resumption: Resumption,
    send_queue: Weak<SendQueue>,
}

/// Whether a connection outlives its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resumption {
    /// It ends with its transport.
    Impossible,
    /// It has a transport, and may get another one.
    Possible,
    /// It has lost its transport, and waits for another one.
    Suspended,
}

impl LiveConnections {
    /// Lists the connections of a selection, in no order. See [`slices`](Self::slices), which a page with many connections uses.
    pub fn list(&self, selection: &ConnectionSelection<'_>) -> Vec<LiveConnection> {
        self.slices(selection).flatten().collect()
    }

    /// Lists the connections of a selection, in no order, a few at a time. Each step takes the lock of the server for a few
    /// microseconds, so requests do not wait for a long list. A connection that is live all the time is listed once, one that begins or ends meanwhile at
    /// most once.
    pub fn slices(&self, selection: &ConnectionSelection<'_>) -> impl Iterator<Item = Vec<LiveConnection>> {
        let places = (0..).step_by(SLICE);
        places.map_while(|from| {
            self.0.live((from, SLICE), |entry, link| selection.covers(&entry.owner.principal, link.kind()))
        })
    }

    /// Finds the connection with this public id.
    pub fn find(&self, id: &ConnectionId) -> Option<LiveConnection> {
        self.0.live_by_id(id)
    }

    /// Refuses new connections from now on, and tells the live ones to end, one after another over this time, as a server does
    /// that [stops](crate::Server::run_until). The server still answers requests.
    pub async fn drain(&self, time: Duration) {
        self.0.drain(time).await;
    }
}

impl ConnectionSelection<'_> {
    fn covers(&self, principal: &Principal, transport: TransportKind) -> bool {
        let is_like = |wanted: Option<&str>, known: &Option<Arc<str>>| wanted.is_none() || wanted == known.as_deref();
        is_like(self.user, &principal.user)
            && is_like(self.organisation, &principal.organisation)
            && self.transport.is_none_or(|wanted| wanted == transport)
    }
}

impl LiveConnection {
    pub(super) fn new(entry: &Entry, link: &Link) -> Self {
        let resumption = match (&entry.stage, link) {
            (Stage::Suspended { .. }, _) => Resumption::Suspended,
            (_, Link::WebSocket { handover: Some(_), .. }) => Resumption::Possible,
            _ => Resumption::Impossible,
        };
        Self {
            id: entry.id.clone(),
            principal: entry.owner.principal.clone(),
            remote: entry.remote,
            since: entry.since,
            transport: link.kind(),
            resumption,
            send_queue: Arc::downgrade(link.send_queue()),
        }
    }

    /// The public id.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// The name of the user; `None` for an anonymous client.
    pub fn user(&self) -> Option<&str> {
        self.principal.user.as_deref()
    }

    /// The organisation.
    pub fn organisation(&self) -> Option<&str> {
        self.principal.organisation.as_deref()
    }

    /// The address that its latest transport came from; `None` if it is unknown.
    pub fn remote_address(&self) -> Option<RemoteAddress> {
        self.remote
    }

    /// When it got its first transport.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The kind of its transport.
    pub fn transport(&self) -> TransportKind {
        self.transport
    }

    /// Whether it outlives its transport.
    pub fn resumption(&self) -> Resumption {
        self.resumption
    }

    /// What it has received and sent, and what waits for its client; `None` if it has ended since.
    pub fn traffic(&self) -> Option<ConnectionTraffic> {
        self.send_queue.upgrade().map(|send_queue| send_queue.traffic())
    }

    /// What the queues of all clients of its server hold; `None` if it has ended since.
    pub fn backlog(&self) -> Option<BacklogUsage> {
        self.send_queue.upgrade().map(|send_queue| send_queue.backlog().usage())
    }

    /// Asks the handler of the connection to end it, and waits for nothing. The handler gets
    /// [`Received::Aborted`](crate::Received::Aborted) and finds the [dismissal](crate::Connection::dismissal).
    pub fn dismiss(&self, dismissal: Dismissal) {
        if let Some(send_queue) = self.send_queue.upgrade() {
            send_queue.dismiss(dismissal);
        }
    }
}
