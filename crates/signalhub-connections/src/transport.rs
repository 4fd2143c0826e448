//! The transports: how the bytes of a connection reach the client and come from it.

pub(crate) mod client_socket;
pub(crate) mod handover;
pub(crate) mod inbox;
pub(crate) mod io;
pub(crate) mod long_polling;
pub(crate) mod received;
pub(crate) mod reconnect;
pub(crate) mod server_sent_events;
pub(crate) mod websocket;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use self::inbox::Inbox;
use self::received::{ReadMessagesError, Received};
use self::websocket::Socket;
use crate::close::close_frame::{ClientClose, CloseFrame};
use crate::close::{ARRIVAL_TIME, CloseReason};
use crate::intake::Intake;
use crate::outbound::SendQueue;
use crate::transport_kind::TransportKind;
use crate::websocket_codec::MessageKind;

/// How long the server waits for the client's close frame after it sent its own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The current transport of a connection.
pub(crate) enum Transport {
    WebSocket(Socket),
    Inbox(Arc<Inbox>),
    /// It was lost. The client may reconnect.
    Lost,
    /// The server has reset it, because the server stops.
    Ended,
}

impl Transport {
    /// Writes queued frames, and reads.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        send_queue: &SendQueue,
        intake: Intake,
        input: &mut Vec<u8>,
    ) -> Poll<Received> {
        match self {
            Self::WebSocket(socket) => socket.poll(cx, send_queue, intake, input),
            Self::Inbox(inbox) => inbox.poll(input, intake),
            Self::Lost | Self::Ended => Poll::Pending,
        }
    }

    /// Returns whole messages from now on.
    pub(crate) fn read_messages(&mut self, max_bytes: usize) -> Result<(), ReadMessagesError> {
        match self {
            Self::WebSocket(socket) => socket.read_messages(max_bytes),
            Self::Inbox(inbox) => inbox.read_messages(max_bytes),
            Self::Lost | Self::Ended => Err(ReadMessagesError::NoBoundaries),
        }
    }

    /// The client's close frame, once it has arrived.
    pub(crate) fn client_close(&self) -> Option<ClientClose> {
        match self {
            Self::WebSocket(socket) => socket.client_close().cloned(),
            Self::Inbox(inbox) => inbox.client_close(),
            Self::Lost | Self::Ended => None,
        }
    }

    pub(crate) fn kind(&self, send_queue: &SendQueue) -> TransportKind {
        match self {
            // Only WebSockets can be lost or reset before the connection is gone.
            Self::WebSocket(_) | Self::Lost | Self::Ended => TransportKind::WebSockets,
            Self::Inbox(_) if send_queue.is_polled() => TransportKind::LongPolling,
            Self::Inbox(_) => TransportKind::ServerSentEvents,
        }
    }

    /// Tells whether messages of this kind can be sent: an event stream is text.
    pub(crate) fn carries(&self, kind: MessageKind, send_queue: &SendQueue) -> bool {
        match self {
            Self::Inbox(_) if !send_queue.is_polled() => kind == MessageKind::Text,
            Self::WebSocket(_) | Self::Inbox(_) | Self::Lost | Self::Ended => true,
        }
    }

    /// Tells whether pings are needed. Polls show without them that the client is alive.
    pub(crate) fn needs_pings(&self, send_queue: &SendQueue) -> bool {
        match self {
            Self::WebSocket(_) => true,
            Self::Inbox(_) => !send_queue.is_polled(),
            Self::Lost | Self::Ended => false,
        }
    }

    /// Waits until all queued frames are written to a WebSocket.
    pub(crate) async fn flush(&mut self, send_queue: &SendQueue) {
        if let Self::WebSocket(socket) = self {
            poll_fn(|cx| {
                send_queue.signals.register(cx.waker());
                socket.poll_flush(cx, send_queue)
            })
            .await;
        }
    }

    /// Tells whether a close frame of a WebSocket was sent.
    pub(crate) fn has_sent_close(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if socket.has_sent_close())
    }

    /// Refuses further frames, and queues the last one: on a WebSocket a close frame, either this one or the one with the
    /// code of the reason.
    pub(crate) fn start_closing(&mut self, send_queue: &SendQueue, reason: CloseReason, frame: Option<CloseFrame>) {
        match (self, frame) {
            (Self::WebSocket(socket), Some(frame)) => socket.start_closing_with(send_queue, reason, &frame),
            (Self::WebSocket(socket), None) => socket.start_closing(send_queue, reason),
            (Self::Inbox(inbox), Some(frame)) => {
                inbox.set_server_close(frame);
                send_queue.finish(None, reason);
            }
            (Self::Inbox(_) | Self::Lost | Self::Ended, _) => send_queue.finish(None, reason),
        }
    }

    /// Writes the queued frames of a WebSocket and waits for the client's close frame, unless the client is gone or does
    /// not read.
    pub(crate) async fn finish_closing(&mut self, send_queue: &SendQueue, reason: CloseReason) {
        let Self::WebSocket(socket) = self else { return };
        if reason == CloseReason::ClientGone || reason == CloseReason::SlowConsumer {
            return;
        }
        let closed = poll_fn(|cx| socket.poll_closed(cx, send_queue));
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            socket.give_up();
        }
    }

    /// Ends because the server stops; see [`Connection::send_away`](crate::Connection::send_away).
    pub(crate) async fn send_away(&mut self, send_queue: &SendQueue) {
        let reason = CloseReason::ServerShutdown;
        send_queue.finish(None, reason);
        match self {
            Self::WebSocket(socket) if socket.can_be_reset() => {
                let flushed = poll_fn(|cx| socket.poll_flush(cx, send_queue));
                let _ = tokio::time::timeout(CLOSE_TIMEOUT - ARRIVAL_TIME, flushed).await;
                let closed = poll_fn(|cx| socket.poll_closed(cx, send_queue));
                let _ = tokio::time::timeout(ARRIVAL_TIME, closed).await;
                socket.give_up();
            }
            Self::WebSocket(socket) => {
                socket.start_closing(send_queue, reason);
                return self.flush(send_queue).await;
            }
            Self::Inbox(_) => {
                // The process may end soon, and what the client has not fetched yet would be lost.
                let _ = tokio::time::timeout(ARRIVAL_TIME, send_queue.wait_taken()).await;
                return;
            }
            Self::Lost | Self::Ended => return,
        }
        // The reset is sent when the last owner drops the socket.
        send_queue.disconnect();
        *self = Self::Ended;
    }
}
