//! `Connection`: one logical connection, as its handler sees it.
//!
//! ```text
//!            ┌── lost, can be resumed ──▶ suspended ── given up ──┐
//! attached ──┤◀────── Reconnected ──────────┘                     ├──▶ ended ── close, drop ──▶ gone
//!     │      └── lost, cannot be resumed ─────────────────────────┤
//!     └── the client closes, or does not read; the handler ends ──┘
//! ```
//! - attached: [`Transport`] is a WebSocket or an inbox;
//! - suspended: the transport is `Transport::Lost`, and [`Resume::Through`] has the handover where the next one arrives;
//! - ended: the send queue has a [`CloseReason`], `receive` returns `Received::Ended`, and frames are refused. Once the
//!   socket was reset because the server stops, the transport is `Transport::Ended`;
//! - gone: the registration is dropped, and every `Outbound` refuses frames.

mod access_line;
mod input;
pub(crate) mod peer;
mod resume;
pub(crate) mod token_refresher;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use self::access_line::AccessLine;
use self::input::Input;
use self::peer::Peer;
use self::resume::Resume;
use self::token_refresher::TokenRefresher;
use crate::auth::identity::{Identity, Principal, Renewal};
use crate::auth::token_refresh::VerifyToken;
use crate::close::CloseReason;
use crate::close::close_frame::{ClientClose, CloseFrame};
use crate::close::dismissal::Dismissal;
use crate::counts::traffic::Traffic;
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::intake::Intake;
use crate::outbound::signals::Signal;
use crate::outbound::{Outbound, QueueLimits, SendQueue, Writer};
use crate::registry::Registration;
use crate::request::opening_request::OpeningRequest;
use crate::request::remote_address::RemoteAddress;
use crate::transport::Transport;
use crate::transport::handover::{Arrival, Handover};
use crate::transport::received::{ReadMessagesError, Received};
use crate::transport::reconnect::Reconnect;
use crate::transport_kind::TransportKind;
use crate::websocket_codec::{MessageKind, ping_frame};

/// A connection to one client, which a [`ConnectionHandler`](crate::ConnectionHandler) owns.
///
/// It carries opaque bytes. Bytes of the client are appended to [`Connection::input`]; the handler takes whole messages
/// from its front with [`Connection::consume`].
pub struct Connection {
    id: ConnectionId,
    identity: Arc<Identity>,
    send_queue: Arc<SendQueue>,
    input: Input,
    transport: Transport,
    resume: Resume,
    expires: Option<Instant>,
    remote: Option<RemoteAddress>,
    opening_request: OpeningRequest,
    registration: Option<Registration>,
    /// For the access log.
    access: AccessLine,
    /// Verifies tokens that the client sends later.
    verifier: Option<Arc<dyn VerifyToken>>,
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
            input: Input::default(),
            transport,
            resume: Resume::Disabled,
            expires: None,
            remote: None,
            opening_request: OpeningRequest::default(),
            registration: None,
            access: AccessLine::default(),
            verifier: None,
        }
    }

    pub(crate) fn resumable(mut self, reconnect: Reconnect, handover: Option<Arc<Handover>>) -> Self {
        self.resume = Resume::new(reconnect, handover);
        self
    }

    pub(crate) fn with_registration(mut self, registration: Registration) -> Self {
        self.registration = Some(registration);
        self
    }

    pub(crate) fn verifying_tokens_with(mut self, verifier: Arc<dyn VerifyToken>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    pub(crate) fn closing_at(mut self, expires: Option<Instant>) -> Self {
        self.expires = expires;
        self
    }

    pub(crate) fn coming_from(mut self, remote: Option<RemoteAddress>) -> Self {
        self.remote = remote;
        self
    }

    /// Replaces the request that opened the connection, for tests of handlers that read it.
    #[must_use]
    pub fn with_opening_request(mut self, request: OpeningRequest) -> Self {
        self.opening_request = request;
        self
    }

    /// Makes a connection without a network and the client's end of it, for tests of handlers.
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
        let send_queue =
            Arc::new(SendQueue::new(QueueLimits::default(), Arc::default(), Traffic::of_pairs(), Writer::Poll));
        let identity = Arc::new(identity);
        let (peer, transport) = Peer::new(&send_queue, &identity);
        (Self::new(ConnectionId::random(), identity, send_queue, transport), peer)
    }

    /// Makes a pair whose client was granted stateful reconnect: it may [lose](Peer::lose) its transport and
    /// [come back](Peer::reconnect).
    pub fn resumable_pair(identity: Identity) -> (Self, Peer) {
        let (connection, mut peer) = Self::pair(identity);
        let handover = Handover::new(Duration::MAX);
        peer.resume_by(&handover);
        (connection.resumable(Reconnect::Stateful, Some(handover)), peer)
    }

    /// The public id, which other clients may see.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// The identity of the client. User and organisation never change; the rest may change with [`Received::Renewed`].
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Makes what replaces the token of the client with one that it sends over this connection, whichever transport it has.
    pub fn token_refresher(&self) -> TokenRefresher {
        TokenRefresher {
            verifier: self.verifier.clone(),
            send_queue: Arc::clone(&self.send_queue),
            principal: Principal::of(&self.identity),
            remote: self.remote,
            revocations: self.registration.as_ref().map(|registration| Arc::clone(registration.revocations())),
        }
    }

    /// The address of the client; `None` if it is unknown. With long polling it is the address of the first poll.
    pub fn remote_address(&self) -> Option<RemoteAddress> {
        self.remote
    }

    /// The request that opened the connection. It is empty if the handler
    /// [does not keep it](crate::ConnectionHandler::keeps_opening_request), and for [`Connection::pair`].
    pub fn opening_request(&self) -> &OpeningRequest {
        &self.opening_request
    }

    /// Names the protocol that its client speaks, for the access log.
    pub fn set_protocol(&mut self, name: &'static str) {
        self.access.protocol = Some(name);
    }

    /// The kind of transport, which never changes. [`Connection::pair`] counts as long polling.
    pub fn transport_kind(&self) -> TransportKind {
        self.transport.kind(&self.send_queue)
    }

    /// Whether stateful reconnect was negotiated.
    pub fn reconnect(&self) -> Reconnect {
        self.resume.reconnect()
    }

    /// Tells whether the connection continues after its transport is lost, because the client may open another one. Only
    /// connections with WebSockets can.
    pub fn is_resumable(&self) -> bool {
        self.resume.handover().is_some()
    }

    /// Makes the connection end with its transport, even if stateful reconnect was negotiated.
    pub fn disable_resume(&mut self) {
        self.resume = Resume::Disabled;
        if let Some(registration) = &self.registration {
            registration.disable_resume();
        }
    }

    /// Tells whether the transport was lost and the client has not reconnected yet.
    pub fn is_suspended(&self) -> bool {
        matches!(self.transport, Transport::Lost)
    }

    /// The handle that sends to the client. It can be cloned and given to other tasks.
    pub fn outbound(&self) -> Outbound {
        Outbound::new(Arc::clone(&self.send_queue))
    }

    /// The bytes that were received and not consumed.
    pub fn input(&self) -> &[u8] {
        self.input.as_bytes()
    }

    /// Removes bytes from the front of the input.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }

    /// Makes [`receive`](Self::receive) return whole WebSocket messages instead of bytes, for dialects in which each
    /// WebSocket message is one message.
    ///
    /// From now on, [`receive`](Self::receive) returns [`Received::Message`] when the input is exactly one message,
    /// however the client fragmented it. The next one is read when all bytes of this one are [consumed](Self::consume),
    /// so a client that sends faster than the handler consumes gets back pressure. Until then, its pings are not answered
    /// and its end is not reported, so a handler that works on a message for long copies and consumes it first. A message
    /// of more than `max_bytes` ends the connection with [`CloseReason::MessageTooLong`] and the close code 1009.
    ///
    /// It must be called before the first `receive`. Such a connection cannot be resumed.
    ///
    /// # Errors
    /// Event streams and polls have no message boundaries, because POSTs are a stream of bytes. (An
    /// [`Endpoint`](crate::Endpoint) offers only WebSockets by default.) It also fails if a part of a message was already
    /// read, or if the client has sent POSTs before it opened its WebSocket.
    ///
    #[doc = include_str!("../docs/plain-websockets.md")]
    pub fn read_messages(&mut self, max_bytes: usize) -> Result<(), ReadMessagesError> {
        if !self.input().is_empty() {
            return Err(ReadMessagesError::PartOfMessage);
        }
        self.transport.read_messages(max_bytes)?;
        self.disable_resume();
        Ok(())
    }

    /// How an operator [ends](crate::LiveConnection::dismiss) the connection, once `receive` has returned
    /// [`Received::Aborted`]. `None` if the application has aborted it, or its credentials were revoked.
    pub fn dismissal(&self) -> Option<Dismissal> {
        self.send_queue.dismissal()
    }

    /// The close frame of the client, once `receive` has returned [`Received::Ended`] with [`CloseReason::ClientClosed`].
    /// Only WebSockets have one.
    pub fn client_close(&self) -> Option<ClientClose> {
        self.transport.client_close()
    }

    /// Sends a WebSocket ping, which the client answers with a pong. On other transports it does nothing.
    pub fn send_ping(&self) {
        if let Transport::WebSocket(_) = self.transport {
            // If the connection accepts no more frames, the ping is not needed.
            let _ = self.send_queue.send_unretained(&Frame::control(ping_frame()));
        }
    }

    /// Waits for the next event, and writes queued frames meanwhile.
    ///
    /// Frames that could not be written at once are written only while this is polled, so a handler that awaits something
    /// else must poll this at the same time. Dropping the future loses nothing. With [`Intake::Paused`], nothing is read
    /// from the client; other events are still returned.
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
            && let Some(renewal) = self.send_queue.take_renewal()
        {
            return Poll::Ready(self.on_renewal(renewal));
        }
        // After new credentials, which may not be revoked.
        if self.send_queue.signals.take(Signal::Revoked) && self.is_revoked() {
            self.send_queue.abort();
            self.send_queue.signals.take(Signal::Abort);
            return Poll::Ready(Received::Aborted);
        }
        if self.send_queue.signals.take(Signal::Arrived)
            && let Some(arrival) = self.resume.handover().and_then(|handover| handover.take_arrival())
        {
            return Poll::Ready(self.on_arrival(arrival));
        }
        if self.send_queue.signals.take(Signal::Tick) {
            return Poll::Ready(self.on_tick());
        }
        self.send_queue.signals.take(Signal::Moved);
        if self.is_resumable() {
            self.send_queue.set_intake(intake);
        }
        let received = self.transport.poll(cx, &self.send_queue, intake, self.input.buffer());
        match received {
            Poll::Ready(Received::Ended(CloseReason::ClientGone)) if self.may_suspend() => {
                self.suspend();
                Poll::Pending
            }
            Poll::Ready(Received::Ended(reason)) => {
                self.send_queue.end(reason);
                received
            }
            Poll::Ready(Received::Bytes | Received::Message { .. }) => {
                if let Some(registration) = &mut self.registration {
                    registration.close_ticket();
                }
                received
            }
            received => received,
        }
    }

    /// Appends the bytes to the input that POSTs sent before the transport ended, and that were not read because the
    /// intake was paused. Their number is bounded by the limit of the transport for unread bytes.
    pub fn read_rest(&mut self) {
        if let Transport::Inbox(inbox) = &self.transport {
            self.input.buffer().append(&mut inbox.take());
        }
    }

    fn may_suspend(&self) -> bool {
        self.is_resumable() && !self.send_queue.is_ending()
    }

    /// Keeps the connection without a transport, until another one arrives or the disconnect timeout passes.
    fn suspend(&mut self) {
        self.send_queue.suspend();
        self.transport = Transport::Lost;
        if let Some(registration) = &self.registration {
            registration.suspend();
        }
    }

    /// Checks the credentials once more, because they may have been revoked since they were verified.
    pub(crate) fn check_revocation(&self) {
        if self.registration.as_ref().is_some_and(|registration| !registration.revocations().is_empty()) {
            self.send_queue.signals.raise(Signal::Revoked);
        }
    }

    fn is_revoked(&self) -> bool {
        let revocations = self.registration.as_ref().map(Registration::revocations);
        revocations.is_some_and(|revocations| revocations.contains(&self.identity, Instant::now()))
    }

    fn on_renewal(&mut self, renewal: Renewal) -> Received {
        (self.identity, self.expires) = (renewal.identity, renewal.expires);
        if let Some(registration) = &self.registration {
            registration.renew_ticket(&self.identity);
        }
        self.send_queue.signals.skip_ticks(0);
        self.check_revocation();
        Received::Renewed
    }

    /// Replaces the transport, even if the old one still seems to work: the client no longer uses it.
    fn on_arrival(&mut self, arrival: Arrival) -> Received {
        let last_write = self.send_queue.suspend();
        if let Transport::WebSocket(socket) = &self.transport {
            socket.abandon(last_write);
        }
        self.transport = arrival.transport;
        if let Transport::WebSocket(socket) = &self.transport {
            self.send_queue.set_writer(socket.writer());
        }
        self.input = Input::default();
        self.remote = arrival.remote;
        self.send_queue.signals.skip_ticks(0);
        if let Some(registration) = &self.registration {
            registration.resume();
        }
        Received::Reconnected
    }

    fn on_tick(&mut self) -> Received {
        let now = Instant::now();
        if self.send_queue.is_stalled(now) {
            if self.may_suspend() {
                self.suspend();
                return Received::Tick;
            }
            self.send_queue.end(CloseReason::SlowConsumer);
            return Received::Ended(CloseReason::SlowConsumer);
        }
        match self.expires {
            Some(expires) if expires <= now => Received::Expired,
            _ => Received::Tick,
        }
    }

    /// Skips the ticks of this time, for a handler that has nothing to check before then. A connection without ticks costs
    /// almost no processor time.
    ///
    /// A later call replaces an earlier one. Ticks are not skipped while queued frames cannot be written, nor when the
    /// credentials expire.
    pub fn skip_ticks_for(&self, time: Duration) {
        let left = self.expires.map_or(Duration::MAX, |expires| expires.saturating_duration_since(Instant::now()));
        self.send_queue.skip_ticks_for(time.min(left));
    }

    /// Tells whether the transport can carry messages of this kind. Event streams carry only text.
    pub fn carries(&self, kind: MessageKind) -> bool {
        self.transport.carries(kind, &self.send_queue)
    }

    /// Tells whether the handler must send pings when it has nothing else to send, so that client and proxies keep the
    /// connection open. Long polling does not need them.
    pub fn needs_pings(&self) -> bool {
        self.transport.needs_pings(&self.send_queue)
    }

    /// Sends the last message. All later frames are refused.
    pub fn send_last(&self, frame: &Frame, reason: CloseReason) {
        // No data may follow a close frame (RFC 6455, 5.5.1).
        self.send_queue.finish(Some(frame).filter(|_| !self.transport.has_sent_close()), reason);
    }

    /// Waits until all queued frames are written to the WebSocket. On event streams and polls it returns at once.
    pub async fn flush(&mut self) {
        self.transport.flush(&self.send_queue).await;
    }

    /// Ends the transport because the server stops, in the way after which most clients reconnect by themselves, as the
    /// original does: queued frames are written and get a second to arrive, then the socket is reset. If the socket
    /// is not known, as under the TLS of a surrounding program, a WebSocket gets the close code 1001. A poll gets 204.
    ///
    /// All later frames are refused. The connection counts as live until it is dropped or [closed](Self::close).
    pub async fn send_away(&mut self) {
        self.transport.send_away(&self.send_queue).await;
    }

    /// Closes the connection: writes the queued frames, then the close frame of a WebSocket, and waits up to five seconds
    /// for the client's. With [`CloseReason::ServerShutdown`], it [resets](Self::send_away) the transport instead.
    pub async fn close(mut self, reason: CloseReason) {
        if reason == CloseReason::ServerShutdown {
            self.send_away().await;
        }
        self.transport.start_closing(&self.send_queue, reason, None);
        self.finish_closing(reason).await;
    }

    /// Closes the connection like [`close`](Self::close), but with this close frame. `reason` is only counted, and never
    /// sent.
    ///
    /// The client gets the frame if it has a WebSocket and has not closed it itself. Event streams and polls have no close
    /// codes. With [`CloseReason::ServerShutdown`], the frame is sent as well, and the socket is not reset.
    pub async fn close_with(mut self, reason: CloseReason, frame: CloseFrame) {
        self.transport.start_closing(&self.send_queue, reason, Some(frame));
        self.finish_closing(reason).await;
    }

    async fn finish_closing(&mut self, reason: CloseReason) {
        if let Transport::WebSocket(_) = self.transport
            && let Some(registration) = &mut self.registration
        {
            // No request needs the token any more: only the socket is left to be closed.
            registration.free_token();
        }
        self.transport.finish_closing(&self.send_queue, reason).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(registration) = &self.registration {
            self.access.end(self, registration);
        }
        // An `Outbound` that still exists refuses frames from now on, and does not keep the socket open.
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

#[cfg(test)]
mod tests;
