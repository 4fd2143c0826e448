//! A connection without a network, for tests of handlers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::connection::Transport;
use crate::mailbox::Mailbox;
use crate::outbound::{Lane, Outlet, QueueLimits};
use crate::signals::Signal;
use crate::{CloseReason, Connection, ConnectionId, Identity};

impl Connection {
    /// Makes a connection without a network, and the client's end of it.
    ///
    /// ```
    /// # use signalhub_connections::{Connection, Frame, Identity, Intake, MessageKind, Received};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (mut connection, mut peer) = Connection::pair(Identity::user("alice"));
    /// peer.send(b"hello");
    /// assert_eq!(connection.receive(Intake::Open).await, Received::Bytes);
    /// assert_eq!(connection.input(), b"hello");
    /// connection.outbound().send(&Frame::new(MessageKind::Text, b"welcome")).unwrap();
    /// assert_eq!(peer.receive().await.unwrap(), "welcome");
    /// # }
    /// ```
    pub fn pair(identity: Identity) -> (Self, Peer) {
        let lane = Arc::new(Lane::new(QueueLimits::default(), Outlet::Taker));
        let mailbox = Mailbox::new(Arc::clone(&lane));
        let peer = Peer { lane: Arc::clone(&lane), mailbox: Arc::clone(&mailbox) };
        let transport = Transport::Mailbox(mailbox);
        (Self::new(ConnectionId::random(), Arc::new(identity), lane, transport), peer)
    }
}

/// The client's end of a connection made by [`Connection::pair`].
pub struct Peer {
    lane: Arc<Lane>,
    mailbox: Arc<Mailbox>,
}

impl Peer {
    /// Sends bytes to the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.mailbox.put(bytes.as_ref());
    }

    /// Waits for the next message; `None` once the connection has ended and all were taken.
    pub async fn receive(&mut self) -> Option<Bytes> {
        let frames = self.lane.take(1).await?;
        frames.first().map(crate::Frame::payload)
    }

    /// Ends the client's side for the given reason.
    pub fn end(&mut self, reason: CloseReason) {
        self.mailbox.end(reason);
    }

    /// Lets a second pass for the connection.
    pub fn tick(&self) {
        self.lane.signals.raise(Signal::Tick);
    }

    /// Tells the connection that the server stops.
    pub fn drain(&self) {
        self.lane.signals.raise(Signal::Drain);
    }

    /// Tells why the connection ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.lane.ended()
    }

    /// Tells whether the handler has let go of the connection.
    pub fn is_abandoned(&self) -> bool {
        self.mailbox.is_abandoned()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}
