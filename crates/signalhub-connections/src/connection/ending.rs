//! How a handler ends its connection.

use std::future::poll_fn;
use std::time::Duration;

use super::{Connection, Transport};
use crate::close::ARRIVAL_TIME;
use crate::{CloseReason, Frame};

/// How long the server waits for the client's close frame after it sent its own.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

impl Connection {
    /// Sends the last message: whatever anybody else sends from now on is refused, so nothing can come behind it.
    pub fn send_last(&self, frame: &Frame, reason: CloseReason) {
        self.send_queue.finish(Some(frame), reason);
    }

    /// Waits until what is queued is on its way, as far as the transport lets this side see it.
    pub async fn flush(&mut self) {
        if let Transport::WebSocket(socket) = &mut self.transport {
            poll_fn(|cx| {
                self.send_queue.signals.register(cx.waker());
                socket.poll_flush(cx, &self.send_queue)
            })
            .await;
        }
    }

    /// Ends the transport because the server stops, in the way after which most clients come back by themselves: what is
    /// queued is written and gets a second to arrive, then the socket is reset, as the original does. Where the
    /// socket is not at hand, as under TLS, a WebSocket gets the close frame 1001. A poll gets 204.
    ///
    /// Nothing more is sent from now on. The connection counts as live until it is dropped or [closed](Self::close).
    pub async fn send_away(&mut self) {
        let reason = CloseReason::ServerShutdown;
        self.send_queue.finish(None, reason);
        match &mut self.transport {
            Transport::WebSocket(socket) if socket.can_be_reset() => {
                let flushed = poll_fn(|cx| socket.poll_flush(cx, &self.send_queue));
                let _ = tokio::time::timeout(CLOSE_TIMEOUT - ARRIVAL_TIME, flushed).await;
                let closed = poll_fn(|cx| socket.poll_closed(cx, &self.send_queue));
                let _ = tokio::time::timeout(ARRIVAL_TIME, closed).await;
                socket.give_up();
            }
            Transport::WebSocket(socket) => {
                socket.start_closing(&self.send_queue, reason);
                return self.flush().await;
            }
            Transport::Inbox(_) => {
                // The process may end next, and with it what the client has not fetched yet.
                let _ = tokio::time::timeout(ARRIVAL_TIME, self.send_queue.wait_taken()).await;
                return;
            }
            Transport::Lost => return,
        }
        // The reset is sent when the last owner of the socket lets it go.
        self.send_queue.disconnect();
        self.transport = Transport::Lost;
    }

    /// Ends the connection in order: writes what is queued, then the transport's own farewell, and waits a bounded time
    /// for the client's. When the server stops, the client is [sent away](Self::send_away) instead.
    pub async fn close(mut self, reason: CloseReason) {
        if reason == CloseReason::ServerShutdown {
            self.send_away().await;
        }
        let Transport::WebSocket(socket) = &mut self.transport else {
            self.send_queue.finish(None, reason);
            return;
        };
        socket.start_closing(&self.send_queue, reason);
        if let Some(registration) = &mut self.registration {
            // What is left concerns the socket alone.
            registration.free_token();
        }
        if reason == CloseReason::ClientGone || reason == CloseReason::SlowConsumer {
            return;
        }
        let closed = poll_fn(|cx| socket.poll_closed(cx, &self.send_queue));
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            socket.give_up();
        }
    }
}
