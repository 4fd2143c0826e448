//! The bytes that come in by other ways than a socket: POSTs of the plain HTTP transports, or a test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::auth::identity::{Identity, Renewal};
use crate::close::CloseReason;
use crate::intake::Intake;
use crate::outbound::signals::Signal;
use crate::outbound::{Backlog, QueueLimits, SendQueue, Writer};
use crate::transport::received::Received;

/// How many unread bytes hold up whoever brings more (the original's `ApplicationMaxBufferSize`).
const CAPACITY: usize = 64 * 1024;

/// The same before the connection has a transport: enough for a handshake. Whoever negotiates may not fill the memory
/// without ever connecting.
const EARLY_CAPACITY: usize = 4 * 1024;

/// Takes bytes from many requests, one after another, and gives them to one connection.
#[derive(Debug)]
pub(crate) struct Inbox {
    send_queue: Arc<SendQueue>,
    incoming: Mutex<Incoming>,
    /// Woken when there is room again, or nobody reads any more.
    room: Notify,
    /// One request at a time, in the order of their arrival.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Incoming {
    bytes: Vec<u8>,
    early: bool,
    ended: Option<CloseReason>,
    abandoned: bool,
    /// The credentials that came last, once the connection has its transport.
    identity: Option<Arc<Identity>>,
    renewal: Option<Renewal>,
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

    /// Makes the inbox of a connection that has no transport yet.
    pub(crate) fn early(limits: QueueLimits, backlog: &Arc<Backlog>) -> Arc<Self> {
        let inbox = Self::new(Arc::new(SendQueue::new(limits, Arc::clone(backlog), Writer::Taker)));
        inbox.lock().early = true;
        inbox
    }

    /// Notes that the connection got its transport, and from whom.
    pub(crate) fn attach(&self, writer: Writer, identity: &Arc<Identity>) {
        self.send_queue.set_writer(writer);
        {
            let mut incoming = self.lock();
            incoming.early = false;
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

    /// Waits for the turn of a request; its chunks belong together.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Adds bytes once there is room; what comes when nobody reads any more is dropped.
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

    /// Tells whether whoever brings more has to wait, because the connection has enough to do.
    pub(crate) fn is_full(&self) -> bool {
        let incoming = self.lock();
        !incoming.is_closed() && incoming.is_full()
    }

    /// Waits until nobody reads any more.
    pub(crate) async fn closed(&self) {
        loop {
            let notified = self.room.notified();
            if self.lock().is_closed() {
                return;
            }
            notified.await;
        }
    }

    /// Adds bytes at once, unless nobody will read them.
    pub(crate) fn put(&self, bytes: &[u8]) {
        let mut incoming = self.lock();
        if !incoming.is_closed() {
            incoming.bytes.extend_from_slice(bytes);
            drop(incoming);
            self.send_queue.signals.raise(Signal::Moved);
        }
    }

    /// Ends the client's side. The first reason stands and is returned.
    pub(crate) fn end(&self, reason: CloseReason) -> CloseReason {
        let reason = *self.lock().ended.get_or_insert(reason);
        self.room.notify_waiters();
        self.send_queue.signals.raise(Signal::Moved);
        reason
    }

    /// Takes over the credentials of a later request, where they differ. Before the connection has its transport they
    /// mean nothing: those of the request that attaches it count.
    pub(crate) fn renew(&self, identity: &Identity, expires: Option<Instant>) {
        let mut incoming = self.lock();
        if incoming.identity.as_deref().is_none_or(|known| known == identity) {
            return;
        }
        let identity = Arc::new(identity.clone());
        incoming.identity = Some(Arc::clone(&identity));
        incoming.renewal = Some(Renewal { identity, expires });
        drop(incoming);
        self.send_queue.signals.raise(Signal::Renewed);
    }

    pub(crate) fn take_renewal(&self) -> Option<Renewal> {
        self.lock().renewal.take()
    }

    pub(crate) fn poll(&self, input: &mut Vec<u8>, intake: Intake) -> Poll<Received> {
        let mut incoming = self.lock();
        if intake == Intake::Open && !incoming.bytes.is_empty() {
            input.append(&mut incoming.bytes);
            incoming.bytes = Vec::new();
            drop(incoming);
            self.room.notify_waiters();
            return Poll::Ready(Received::Bytes);
        }
        match incoming.ended {
            Some(reason) => Poll::Ready(Received::Ended(reason)),
            None => Poll::Pending,
        }
    }

    /// Takes what has come so far.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().bytes)
    }

    /// Nobody reads any more.
    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
        self.room.notify_waiters();
    }
}

impl Incoming {
    fn is_full(&self) -> bool {
        self.bytes.len() >= if self.early { EARLY_CAPACITY } else { CAPACITY }
    }

    /// Tells whether bytes are dropped from now on.
    fn is_closed(&self) -> bool {
        self.abandoned || self.ended.is_some()
    }
}
