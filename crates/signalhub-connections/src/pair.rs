//! A connection without a network, for tests of handlers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::auth::identity::Renewal;
use crate::connection::Transport;
use crate::outbound::signals::Signal;
use crate::outbound::{QueueLimits, SendQueue, Writer};
use crate::transport::handover::{Arrival, Handover};
use crate::transport::inbox::Inbox;
use crate::{CloseReason, Connection, ConnectionId, Identity, Reconnect};

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
        let send_queue = Arc::new(SendQueue::new(QueueLimits::default(), Arc::default(), Writer::Taker));
        let inbox = Inbox::new(Arc::clone(&send_queue));
        let peer = Peer { send_queue: Arc::clone(&send_queue), inbox: Arc::clone(&inbox), handover: None };
        let identity = Arc::new(identity);
        inbox.attach(Writer::Taker, &identity);
        let transport = Transport::Inbox(inbox);
        (Self::new(ConnectionId::random(), identity, send_queue, transport), peer)
    }

    /// The same for a client that was granted stateful reconnect: it may [lose](Peer::lose) its transport and
    /// [come back](Peer::reconnect).
    pub fn resumable_pair(identity: Identity) -> (Self, Peer) {
        let (connection, mut peer) = Self::pair(identity);
        let handover = Handover::new(Duration::MAX);
        peer.handover = Some(Arc::clone(&handover));
        (connection.resumable(Reconnect::Stateful, Some(handover)), peer)
    }
}

/// The client's end of a connection made by [`Connection::pair`].
pub struct Peer {
    send_queue: Arc<SendQueue>,
    inbox: Arc<Inbox>,
    handover: Option<Arc<Handover>>,
}

impl Peer {
    /// Sends bytes to the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.inbox.put(bytes.as_ref());
    }

    /// Waits for the next message; `None` once the connection has ended and all were taken.
    pub async fn receive(&mut self) -> Option<Bytes> {
        let frames = self.send_queue.take(1, 1).await?;
        frames.first().map(crate::Frame::payload)
    }

    /// Ends the client's side for the given reason.
    pub fn end(&mut self, reason: CloseReason) {
        self.inbox.end(reason);
    }

    /// Loses the transport without a word.
    pub fn lose(&mut self) {
        self.end(CloseReason::ClientGone);
    }

    /// Brings another transport for the connection, whether it misses the old one or not.
    pub fn reconnect(&mut self) {
        self.inbox = Inbox::new(Arc::clone(&self.send_queue));
        if let Some(handover) = &self.handover {
            let transport = Transport::Inbox(Arc::clone(&self.inbox));
            handover.bring(Arrival { transport, remote: None }, &self.send_queue);
        }
    }

    /// Brings new credentials, as a request does or the one for another transport. They are the client's to bring: nothing
    /// is checked here.
    pub fn renew(&mut self, identity: Identity) {
        let renewal = Renewal { identity: Arc::new(identity), expires: None };
        match &self.handover {
            Some(handover) => handover.renew(renewal, &self.send_queue),
            None => self.inbox.renew(&renewal.identity, renewal.expires),
        }
    }

    /// Gives up a connection that waits for another transport, as a server does after a while.
    pub fn give_up(&self) {
        self.send_queue.end(CloseReason::ClientGone);
    }

    /// Lets a second pass for the connection, and tells whether it [wants](Connection::spare_ticks) to know.
    pub fn tick(&self) -> bool {
        let due = self.send_queue.signals.is_due();
        if due {
            self.send_queue.signals.raise(Signal::Tick);
        }
        due
    }

    /// Tells the connection that the server stops.
    pub fn drain(&self) {
        self.send_queue.signals.raise(Signal::Drain);
    }

    /// Tells why the connection ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.send_queue.ended()
    }

    /// Tells whether the handler has let go of the connection.
    pub fn is_abandoned(&self) -> bool {
        self.inbox.is_abandoned()
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}
