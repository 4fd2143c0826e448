//! The client's end of a connection without a network, for tests of handlers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::auth::identity::{Identity, Renewal};
use crate::close::CloseReason;
use crate::close::close_frame::{ClientClose, CloseFrame};
use crate::close::dismissal::Dismissal;
use crate::frame::Frame;
use crate::outbound::signals::Signal;
use crate::outbound::{SendQueue, Writer};
use crate::transport::Transport;
use crate::transport::handover::{Arrival, Handover};
use crate::transport::inbox::Inbox;
use crate::websocket_codec::MessageKind;

/// The client's end of a connection made by [`Connection::pair`](crate::Connection::pair).
///
/// Dropping it ends the connection with [`CloseReason::ClientGone`], unless it has [ended](Self::end) for another reason.
/// Messages that it sent before are still read; a [resumable](crate::Connection::resumable_pair) connection ends at once,
/// because no other transport can come.
pub struct Peer {
    send_queue: Arc<SendQueue>,
    inbox: Arc<Inbox>,
    handover: Option<Arc<Handover>>,
}

impl Peer {
    /// Makes the client's end, and the transport of the other one.
    pub(super) fn new(send_queue: &Arc<SendQueue>, identity: &Arc<Identity>) -> (Self, Transport) {
        let inbox = Inbox::paired(Arc::clone(send_queue));
        inbox.attach(Writer::Poll, identity);
        let peer = Self { send_queue: Arc::clone(send_queue), inbox: Arc::clone(&inbox), handover: None };
        (peer, Transport::Inbox(inbox))
    }

    /// Lets the client attach another transport through this handover.
    pub(super) fn resume_by(&mut self, handover: &Arc<Handover>) {
        self.handover = Some(Arc::clone(handover));
    }

    /// Takes messages as the client of an event stream does from now on: such a client [needs
    /// pings](crate::Connection::needs_pings).
    pub fn stream(&self) {
        self.send_queue.set_writer(Writer::Stream);
    }

    /// Sends bytes to the connection; to a handler that [reads messages](crate::Connection::read_messages), one text
    /// message.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.inbox.put(bytes.as_ref());
    }

    /// Sends one whole message to a handler that [reads messages](crate::Connection::read_messages).
    pub fn send_message(&mut self, kind: MessageKind, bytes: impl AsRef<[u8]>) {
        self.inbox.put_message(kind, bytes.as_ref());
    }

    /// Answers a [ping](crate::Connection::send_ping), as WebSocket clients do by themselves. A handler that [reads
    /// messages](crate::Connection::read_messages) receives [`Received::Pong`](crate::Received::Pong), behind the
    /// messages that were sent before.
    pub fn pong(&mut self) {
        self.inbox.put_pong();
    }

    /// Closes the client's side with a close frame, as a client with a WebSocket does.
    pub fn close(&mut self, close: ClientClose) {
        self.inbox.close(close);
    }

    /// The close frame that the handler [chose](crate::Connection::close_with), or that answers a message that is too long.
    pub fn close_frame(&self) -> Option<CloseFrame> {
        self.inbox.server_close()
    }

    /// Waits for the next message. Returns `None` once the connection has ended and all its messages were received.
    pub async fn receive(&mut self) -> Option<Bytes> {
        let frames = self.send_queue.take(1, 1).await?;
        frames.first().map(Frame::payload)
    }

    /// Ends the client's side for the given reason. If it has ended before, the first reason stays.
    pub fn end(&mut self, reason: CloseReason) {
        self.inbox.end(reason);
    }

    /// Ends the transport without a close frame, as when a client's network fails.
    pub fn lose(&mut self) {
        self.end(CloseReason::ClientGone);
    }

    /// Attaches another transport to a [resumable](crate::Connection::resumable_pair) connection, whether the old one is
    /// lost or not.
    pub fn reconnect(&mut self) {
        self.inbox = Inbox::paired(Arc::clone(&self.send_queue));
        if let Some(handover) = &self.handover {
            let transport = Transport::Inbox(Arc::clone(&self.inbox));
            handover.bring(Arrival { transport, remote: None }, &self.send_queue);
        }
    }

    /// Sends new credentials, as a later request of the client or the request for another transport does. Nothing is
    /// checked here.
    pub fn renew(&mut self, identity: Identity) {
        self.send_queue.renew(Renewal { identity: Arc::new(identity), expires: None });
    }

    /// Ends a connection that waits for another transport, as a server does after the disconnect timeout.
    pub fn give_up(&self) {
        self.send_queue.end(CloseReason::ClientGone);
    }

    /// Does what the server does once a second: counts a tick, and returns whether the connection gets it, which depends on
    /// [`Connection::skip_ticks_for`](crate::Connection::skip_ticks_for).
    pub fn tick(&self) -> bool {
        let due = self.send_queue.signals.is_due();
        if due {
            self.send_queue.signals.raise(Signal::Tick);
        }
        due
    }

    /// Ends the connection as an operator does.
    pub fn dismiss(&self, dismissal: Dismissal) {
        self.send_queue.dismiss(dismissal);
    }

    /// Tells the connection that the server stops.
    pub fn drain(&self) {
        self.send_queue.signals.raise(Signal::Drain);
    }

    /// Why the connection ended; `None` while it has not.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.send_queue.ended()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let reason = self.inbox.end(CloseReason::ClientGone);
        if self.handover.is_some() && reason == CloseReason::ClientGone {
            self.give_up();
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}
