//! The inbox: bytes that POSTs, or the client of a pair, send to a connection and that it has not read yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::identity::{Identity, Renewal};
use crate::close::CloseReason;
use crate::close::close_frame::{ClientClose, CloseCode, CloseFrame};
use crate::counts::traffic::Traffic;
use crate::intake::Intake;
use crate::outbound::signals::Signal;
use crate::outbound::{Backlog, QueueLimits, SendQueue, Writer};
use crate::transport::received::{ReadMessagesError, Received};
use crate::websocket_codec::MessageKind;

/// With this many unread bytes, further POSTs wait (the original's `ApplicationMaxBufferSize`).
const CAPACITY: usize = 64 * 1024;

/// The same limit before the connection has a transport: enough for a handshake, so that clients that negotiate and never
/// connect cannot fill the memory.
const EARLY_CAPACITY: usize = 4 * 1024;

/// Receives bytes from many requests, one after another, and passes them to one connection.
#[derive(Debug)]
pub(crate) struct Inbox {
    send_queue: Arc<SendQueue>,
    incoming: Mutex<Incoming>,
    /// Notified when there is room again, or when the connection no longer reads.
    room: Notify,
    /// Held by one request at a time, in the order of their arrival.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Incoming {
    bytes: Vec<u8>,
    reader: Reader,
    /// Why the client sends no more bytes; `None` while it can.
    ended: Option<CloseReason>,
    /// The identity of the latest request, once the connection has its transport.
    identity: Option<Arc<Identity>>,
    client: Client,
}

/// Which client sends the bytes.
#[derive(Debug, Default)]
enum Client {
    /// POSTs, which have no message boundaries.
    #[default]
    Posts,
    /// The client of a pair. With `None`, the bytes are one text message.
    Pair(Option<Box<Paired>>),
}

/// Whether a connection reads the bytes. The state only changes downwards in this list.
#[derive(Debug, Default, PartialEq, Eq)]
enum Reader {
    /// The connection has no transport yet.
    Awaited,
    /// The connection has its transport.
    #[default]
    Present,
    /// The connection no longer reads: bytes are dropped.
    Gone,
}

/// Message boundaries, pongs and close frames of a pair, which POSTs do not have.
#[derive(Debug, Default)]
struct Paired {
    /// What the bytes consist of, in order.
    sent: VecDeque<Sent>,
    /// How many bytes a message may have; `None` unless the handler called `read_messages`.
    max_bytes: Option<usize>,
    /// The close frames of client and server.
    client_close: Option<ClientClose>,
    server_close: Option<CloseFrame>,
}

/// What the client of a pair has sent.
#[derive(Debug)]
enum Sent {
    Message {
        kind: MessageKind,
        /// How many of the bytes it has.
        len: usize,
    },
    Pong,
}

impl Inbox {
    pub(crate) fn new(send_queue: Arc<SendQueue>) -> Arc<Self> {
        Arc::new(Self {
            send_queue,
            incoming: Mutex::default(),
            room: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Makes the inbox of a pair.
    pub(crate) fn paired(send_queue: Arc<SendQueue>) -> Arc<Self> {
        let inbox = Self::new(send_queue);
        inbox.lock().client = Client::Pair(None);
        inbox
    }

    /// Makes the inbox of a connection that has no transport yet.
    pub(crate) fn early(limits: QueueLimits, backlog: &Arc<Backlog>, traffic: &Arc<Traffic>) -> Arc<Self> {
        let (backlog, traffic) = (Arc::clone(backlog), Arc::clone(traffic));
        let inbox = Self::new(Arc::new(SendQueue::new(limits, backlog, traffic, Writer::Poll)));
        inbox.lock().reader = Reader::Awaited;
        inbox
    }

    /// Records that the connection has its transport, and the identity of the request that attached it.
    pub(crate) fn attach(&self, writer: Writer, identity: &Arc<Identity>) {
        self.send_queue.set_writer(writer);
        {
            let mut incoming = self.lock();
            if incoming.reader == Reader::Awaited {
                incoming.reader = Reader::Present;
            }
            incoming.identity = Some(Arc::clone(identity));
        }
        self.room.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send_queue(&self) -> &Arc<SendQueue> {
        &self.send_queue
    }

    /// Waits until no other request adds bytes: the chunks of one request stay together.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits for room and adds bytes. If the connection no longer reads, they are dropped.
    pub(crate) async fn push(&self, bytes: &[u8]) {
        loop {
            let room = self.room.notified();
            {
                let incoming = self.lock();
                if incoming.is_closed() || !incoming.is_full() {
                    break;
                }
            }
            room.await;
        }
        self.put(bytes);
    }

    /// Tells whether further bytes have to wait until the connection has read some.
    pub(crate) fn is_full(&self) -> bool {
        let incoming = self.lock();
        !incoming.is_closed() && incoming.is_full()
    }

    /// Waits until the connection no longer reads.
    pub(crate) async fn closed(&self) {
        loop {
            let notified = self.room.notified();
            if self.lock().is_closed() {
                return;
            }
            notified.await;
        }
    }

    /// Adds bytes without waiting, unless the connection no longer reads.
    pub(crate) fn put(&self, bytes: &[u8]) {
        self.put_message(MessageKind::Text, bytes);
    }

    /// Adds a whole message of a pair.
    pub(crate) fn put_message(&self, kind: MessageKind, bytes: &[u8]) {
        let mut incoming = self.lock();
        if !incoming.is_closed() {
            incoming.add_message(kind, bytes.len());
            incoming.bytes.extend_from_slice(bytes);
            drop(incoming);
            self.send_queue.signals.raise(Signal::Moved);
        }
    }

    /// Adds the pong of a pair.
    pub(crate) fn put_pong(&self) {
        let mut incoming = self.lock();
        if incoming.is_closed() {
            return;
        }
        if let Some(paired) = incoming.paired() {
            paired.sent.push_back(Sent::Pong);
            drop(incoming);
            self.send_queue.signals.raise(Signal::Moved);
        }
    }

    /// Ends the client's side. The first reason stays and is returned.
    pub(crate) fn end(&self, reason: CloseReason) -> CloseReason {
        let reason = *self.lock().ended.get_or_insert(reason);
        self.room.notify_waiters();
        self.send_queue.signals.raise(Signal::Moved);
        reason
    }

    /// Ends the client's side of a pair with a close frame.
    pub(crate) fn close(&self, close: ClientClose) {
        if let Some(paired) = self.lock().paired() {
            paired.client_close.get_or_insert(close);
        }
        self.end(CloseReason::ClientClosed);
    }

    pub(crate) fn client_close(&self) -> Option<ClientClose> {
        self.lock().paired()?.client_close.clone()
    }

    /// Records the close frame for the client of a pair.
    pub(crate) fn set_server_close(&self, frame: CloseFrame) {
        if let Some(paired) = self.lock().paired() {
            paired.server_close = Some(frame);
        }
    }

    pub(crate) fn server_close(&self) -> Option<CloseFrame> {
        self.lock().paired()?.server_close.clone()
    }

    /// Returns whole messages from now on; see [`Connection::read_messages`](crate::Connection::read_messages).
    pub(crate) fn read_messages(&self, max_bytes: usize) -> Result<(), ReadMessagesError> {
        let mut incoming = self.lock();
        incoming.paired().ok_or(ReadMessagesError::NoBoundaries)?.max_bytes = Some(max_bytes);
        Ok(())
    }

    /// Passes the credentials of a later request to the connection if they differ from those of the request before it. A
    /// client that has refreshed its token, and still sends the old one with its requests, keeps what it got for the new one.
    ///
    /// Before the connection has its transport they are ignored, because the credentials of the request that attaches it
    /// replace them.
    pub(crate) fn renew(&self, identity: &Identity, expires: Option<Instant>) {
        let mut incoming = self.lock();
        if incoming.identity.as_deref().is_none_or(|known| known == identity) {
            return;
        }
        let identity = Arc::new(identity.clone());
        incoming.identity = Some(Arc::clone(&identity));
        // Under the lock, so that the credentials of two requests are passed on in one order.
        self.send_queue.renew(Renewal { identity, expires });
    }

    pub(crate) fn poll(&self, input: &mut Vec<u8>, intake: Intake) -> Poll<Received> {
        let mut incoming = self.lock();
        if let Client::Pair(Some(paired)) = &incoming.client
            && let Some(max_bytes) = paired.max_bytes
        {
            let before = input.len();
            let next = incoming.next_message(input, intake, max_bytes);
            self.send_queue.count_posted(input.len() - before);
            return next;
        }
        if intake == Intake::Open {
            let mut bytes = incoming.take();
            if !bytes.is_empty() {
                self.send_queue.count_posted(bytes.len());
                input.append(&mut bytes);
                drop(incoming);
                self.room.notify_waiters();
                return Poll::Ready(Received::Bytes);
            }
        }
        match incoming.ended {
            Some(reason) => Poll::Ready(Received::Ended(reason)),
            None => Poll::Pending,
        }
    }

    /// Takes the unread bytes.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.lock().take()
    }

    /// Records that the connection no longer reads.
    pub(crate) fn abandon(&self) {
        self.lock().reader = Reader::Gone;
        self.room.notify_waiters();
    }
}

impl Incoming {
    /// The boundaries of a pair; `None` for POSTs. The bytes that were sent before are one message.
    fn paired(&mut self) -> Option<&mut Paired> {
        let Client::Pair(paired) = &mut self.client else { return None };
        Some(paired.get_or_insert_with(|| {
            let len = self.bytes.len();
            let message = (len > 0).then_some(Sent::Message { kind: MessageKind::Text, len });
            Box::new(Paired { sent: message.into_iter().collect(), ..Paired::default() })
        }))
    }

    /// Records the boundary of a message whose bytes are added next. A single text message needs none.
    fn add_message(&mut self, kind: MessageKind, len: usize) {
        let is_implied = kind == MessageKind::Text && len > 0 && self.bytes.is_empty();
        match &self.client {
            Client::Posts => {}
            Client::Pair(None) if is_implied => {}
            Client::Pair(_) => {
                if let Some(paired) = self.paired() {
                    paired.sent.push_back(Sent::Message { kind, len });
                }
            }
        }
    }

    /// Moves the next whole message of a pair to the input, once the one before is consumed.
    fn next_message(&mut self, input: &mut Vec<u8>, intake: Intake, max_bytes: usize) -> Poll<Received> {
        if intake == Intake::Paused || !input.is_empty() {
            return Poll::Pending;
        }
        let Some(paired) = self.paired() else { return Poll::Pending };
        match paired.sent.pop_front() {
            Some(Sent::Pong) => Poll::Ready(Received::Pong),
            Some(Sent::Message { len, .. }) if len > max_bytes => {
                paired.sent.clear();
                paired.server_close = Some(CloseFrame::new(CloseCode::MESSAGE_TOO_BIG, ""));
                Poll::Ready(Received::Ended(*self.ended.insert(CloseReason::MessageTooLong)))
            }
            Some(Sent::Message { kind, len }) => {
                input.extend(self.bytes.drain(..len));
                Poll::Ready(Received::Message { kind })
            }
            None => self.ended.map_or(Poll::Pending, |reason| Poll::Ready(Received::Ended(reason))),
        }
    }

    /// Takes the unread bytes as a stream: boundaries and pongs are dropped.
    fn take(&mut self) -> Vec<u8> {
        if let Client::Pair(Some(paired)) = &mut self.client {
            paired.sent.clear();
        }
        std::mem::take(&mut self.bytes)
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= if self.reader == Reader::Awaited { EARLY_CAPACITY } else { CAPACITY }
    }

    /// Tells whether bytes are dropped.
    fn is_closed(&self) -> bool {
        self.reader == Reader::Gone || self.ended.is_some()
    }
}
