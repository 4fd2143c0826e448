//! One logical connection, as its handler sees it.

mod ending;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::auth::identity::Renewal;
use crate::outbound::signals::Signal;
use crate::outbound::{ReadState, SendQueue};
use crate::registry::Registration;
use crate::transport::handover::{Arrival, Handover};
use crate::transport::inbox::Inbox;
use crate::transport::websocket::Socket;
use crate::{CloseReason, ConnectionId, Identity, MessageKind, Outbound, RemoteAddress};

/// One logical connection: who is there, what came in, and the way out.
///
/// It carries opaque bytes. What the client sends is gathered in [`Connection::input`]; the handler takes whole messages
/// from its front with [`Connection::consume`].
pub struct Connection {
    id: ConnectionId,
    identity: Arc<Identity>,
    send_queue: Arc<SendQueue>,
    input: Vec<u8>,
    consumed: usize,
    transport: Transport,
    reconnect: Reconnect,
    /// Where another transport would wait for it.
    handover: Option<Arc<Handover>>,
    expires: Option<SystemTime>,
    remote: Option<RemoteAddress>,
    registration: Option<Registration>,
}

pub(crate) enum Transport {
    WebSocket(Socket),
    Inbox(Arc<Inbox>),
    /// It was lost, and another one may come.
    Lost,
}

/// What [`Connection::receive`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// The input has grown.
    Bytes,
    /// A second has passed: time to look at pings and timeouts. Some can be [spared](Connection::spare_ticks).
    Tick,
    /// The server stops: finish what runs, and close with [`CloseReason::ServerShutdown`].
    Drain,
    /// The application wants the connection to end, by [`Outbound::abort`].
    Aborted,
    /// The credentials have expired, on an endpoint that closes then.
    Expired,
    /// The client has brought new credentials: the [identity](Connection::identity) is another one, of the same user and
    /// organisation.
    Renewed,
    /// There is a new transport, on a [resumable](Connection::is_resumable) connection. What came in over the old one and was
    /// not consumed is gone, for the client says it again. Nothing is written before [`Outbound::resume`].
    Reconnected,
    /// The transport has ended, or somebody ended the connection.
    Ended(CloseReason),
}

/// What a negotiation says about a client that loses its transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// The connection ends with it.
    #[default]
    Plain,
    /// The connection waits for the client to come back, and then goes on (`useStatefulReconnect`).
    Stateful,
}

/// Whether `receive` may read more from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Read what comes.
    Open,
    /// Leave it in the transport, so that the client feels the back pressure.
    Paused,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        identity: Arc<Identity>,
        send_queue: Arc<SendQueue>,
        transport: Transport,
    ) -> Self {
        Self {
            id,
            identity,
            send_queue,
            input: Vec::new(),
            consumed: 0,
            transport,
            reconnect: Reconnect::Plain,
            handover: None,
            expires: None,
            remote: None,
            registration: None,
        }
    }

    pub(crate) fn resumable(mut self, reconnect: Reconnect, handover: Option<Arc<Handover>>) -> Self {
        (self.reconnect, self.handover) = (reconnect, handover);
        self
    }

    pub(crate) fn with_registration(mut self, registration: Registration) -> Self {
        self.registration = Some(registration);
        self
    }

    pub(crate) fn closing_at(mut self, expires: Option<SystemTime>) -> Self {
        self.expires = expires;
        self
    }

    pub(crate) fn coming_from(mut self, remote: Option<RemoteAddress>) -> Self {
        self.remote = remote;
        self
    }

    /// The public id.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// Who is at the other end. User and organisation never change, the rest does with [`Received::Renewed`].
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Where the client is, as far as the server knows; for polls, where the first came from.
    pub fn remote_address(&self) -> Option<RemoteAddress> {
        self.remote
    }

    /// What was negotiated about reconnecting.
    pub fn reconnect(&self) -> Reconnect {
        self.reconnect
    }

    /// Tells whether the connection outlives the loss of its transport, because another one may take over. Only
    /// WebSockets do.
    pub fn is_resumable(&self) -> bool {
        self.handover.is_some()
    }

    /// Lets the connection end with its transport, whatever was negotiated.
    pub fn disable_resume(&mut self) {
        self.reconnect = Reconnect::Plain;
        self.handover = None;
        if let Some(registration) = &self.registration {
            registration.disable_resume();
        }
    }

    /// Tells whether the transport was lost and no other one has come yet.
    pub fn is_suspended(&self) -> bool {
        matches!(self.transport, Transport::Lost)
    }

    /// The way out; clones of it may be given to others.
    pub fn outbound(&self) -> Outbound {
        Outbound::new(Arc::clone(&self.send_queue))
    }

    /// The bytes that came in and were not consumed yet.
    pub fn input(&self) -> &[u8] {
        &self.input[self.consumed..]
    }

    /// Takes bytes from the front of the input.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.input.len() - self.consumed, "more is consumed than came in");
        self.consumed += count;
        if self.consumed == self.input.len() {
            // An idle connection keeps no buffer.
            self.input = Vec::new();
            self.consumed = 0;
        }
    }

    /// Waits for the next thing to happen, and drives queued output meanwhile.
    ///
    /// Output that could not be written at once moves only while this is polled, so a handler that awaits something
    /// else polls this beside it. Dropping the future loses nothing.
    pub async fn receive(&mut self, intake: Intake) -> Received {
        poll_fn(|cx| self.poll_receive(cx, intake)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, intake: Intake) -> Poll<Received> {
        self.send_queue.signals.register(cx.waker());
        if self.send_queue.signals.take(Signal::Ended)
            && let Some(reason) = self.send_queue.ended()
        {
            return Poll::Ready(Received::Ended(reason));
        }
        if self.send_queue.signals.take(Signal::Abort) {
            return Poll::Ready(Received::Aborted);
        }
        if self.send_queue.signals.take(Signal::Drain) {
            return Poll::Ready(Received::Drain);
        }
        if self.send_queue.signals.take(Signal::Renewed)
            && let Some(renewal) = self.take_renewal()
        {
            return Poll::Ready(self.on_renewal(renewal));
        }
        if self.send_queue.signals.take(Signal::Arrived)
            && let Some(arrival) = self.handover.as_ref().and_then(|handover| handover.take_arrival())
        {
            return Poll::Ready(self.on_arrival(arrival));
        }
        if self.send_queue.signals.take(Signal::Tick) {
            return Poll::Ready(self.on_tick());
        }
        self.send_queue.signals.take(Signal::Moved);
        self.drop_consumed();
        if self.handover.is_some() {
            self.send_queue.set_read_state(if intake == Intake::Open { ReadState::Reading } else { ReadState::Paused });
        }
        let received = match &mut self.transport {
            Transport::WebSocket(socket) => socket.poll(cx, &self.send_queue, intake, &mut self.input),
            Transport::Inbox(inbox) => inbox.poll(&mut self.input, intake),
            Transport::Lost => Poll::Pending,
        };
        match received {
            Poll::Ready(Received::Ended(CloseReason::ClientGone)) if self.may_suspend() => {
                self.suspend();
                Poll::Pending
            }
            Poll::Ready(Received::Ended(reason)) => {
                self.send_queue.end(reason);
                received
            }
            received => received,
        }
    }

    /// Adds to the input what came before the transport ended and was left in it because the intake was paused. It is
    /// bounded as what is left in a transport is.
    pub fn read_rest(&mut self) {
        if let Transport::Inbox(inbox) = &self.transport {
            self.input.append(&mut inbox.take());
        }
    }

    fn may_suspend(&self) -> bool {
        self.handover.is_some() && !self.send_queue.is_ending()
    }

    /// Goes on without a transport, for a while.
    fn suspend(&mut self) {
        self.send_queue.suspend();
        self.transport = Transport::Lost;
        if let Some(registration) = &self.registration {
            registration.suspend();
        }
    }

    /// What has come last of the credentials of an inbox's requests, or of a request for another WebSocket.
    fn take_renewal(&self) -> Option<Renewal> {
        let by_handover = self.handover.as_ref().and_then(|handover| handover.take_renewal());
        by_handover.or_else(|| match &self.transport {
            Transport::Inbox(inbox) => inbox.take_renewal(),
            Transport::WebSocket(_) | Transport::Lost => None,
        })
    }

    fn on_renewal(&mut self, renewal: Renewal) -> Received {
        (self.identity, self.expires) = (renewal.identity, renewal.expires);
        self.send_queue.signals.spare(0);
        Received::Renewed
    }

    /// Takes the new transport, also while the old one seems to be there: the client knows better.
    fn on_arrival(&mut self, arrival: Arrival) -> Received {
        let cut = self.send_queue.suspend();
        if let Transport::WebSocket(socket) = &self.transport {
            socket.abandon(cut);
        }
        self.transport = arrival.transport;
        if let Transport::WebSocket(socket) = &self.transport {
            self.send_queue.set_writer(socket.writer());
        }
        (self.input, self.consumed) = (Vec::new(), 0);
        self.remote = arrival.remote;
        self.send_queue.signals.spare(0);
        if let Some(registration) = &self.registration {
            registration.resume();
        }
        Received::Reconnected
    }

    fn on_tick(&mut self) -> Received {
        if self.send_queue.is_stalled(Instant::now()) {
            if self.may_suspend() {
                self.suspend();
                return Received::Tick;
            }
            self.send_queue.end(CloseReason::SlowConsumer);
            return Received::Ended(CloseReason::SlowConsumer);
        }
        match self.expires {
            Some(expires) if expires <= SystemTime::now() => Received::Expired,
            _ => Received::Tick,
        }
    }

    /// Spares the handler the ticks of such a time, when it has nothing to look after before: a second that passes then costs
    /// the connection next to nothing. The last call counts. Ticks come all the same where the connection itself needs them:
    /// while something waits to be written, and when the credentials expire.
    pub fn spare_ticks(&self, time: Duration) {
        self.send_queue.spare_ticks(time.min(time_left(self.expires)));
    }

    /// What is left moves to the front no sooner than it is the smaller part, so that no byte moves often.
    fn drop_consumed(&mut self) {
        if self.consumed > self.input.len() / 2 {
            self.input.drain(..self.consumed);
            self.consumed = 0;
        }
    }

    /// Whether the transport can carry such messages: an event stream is text.
    pub fn carries(&self, kind: MessageKind) -> bool {
        match &self.transport {
            Transport::Inbox(_) if !self.send_queue.is_polled() => kind == MessageKind::Text,
            Transport::WebSocket(_) | Transport::Inbox(_) | Transport::Lost => true,
        }
    }

    /// Whether silence must be broken by messages of the handler, so that client and network know that the connection
    /// lives. Polls show it by themselves.
    pub fn needs_pings(&self) -> bool {
        match &self.transport {
            Transport::WebSocket(_) => true,
            Transport::Inbox(_) => !self.send_queue.is_polled(),
            Transport::Lost => false,
        }
    }
}

/// How long credentials last; without an end, for ever.
fn time_left(expires: Option<SystemTime>) -> Duration {
    expires.map_or(Duration::MAX, |end| end.duration_since(SystemTime::now()).unwrap_or_default())
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Whoever still holds an `Outbound` learns that nobody listens any more, and keeps no socket open.
        self.send_queue.disconnect();
        if let Transport::Inbox(inbox) = &self.transport {
            inbox.abandon();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("user", &self.identity.user).finish_non_exhaustive()
    }
}
