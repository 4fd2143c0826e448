//! The event stream that carries messages to the client (transports, Server-Sent Events).

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::close::CloseReason;
use crate::frame::Frame;
use crate::outbound::SendQueue;
use crate::transport::inbox::Inbox;

/// The first bytes of every event stream: a comment that makes proxies forward the head.
const OPENING: &[u8] = b":\r\n";

/// The largest number of messages in one event.
const MESSAGES_PER_EVENT: usize = 64;

/// With this many bytes, an event gets no further message. The server sees that a client reads when it takes an event, so
/// events are small enough for a slow network.
const BYTES_PER_EVENT: usize = 64 * 1024;

/// The body of an event stream. It is dropped when the client leaves.
pub(crate) struct EventStream {
    inbox: Arc<Inbox>,
    opened: bool,
}

impl EventStream {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, opened: false }
    }

    /// The queue of its connection.
    pub(crate) fn send_queue(&self) -> &Arc<SendQueue> {
        self.inbox.send_queue()
    }

    /// The next event, with the queued messages; `None` once the connection has ended and everything was sent.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.opened {
            self.opened = true;
            return Poll::Ready(Some(Bytes::from_static(OPENING)));
        }
        let frames = ready!(self.inbox.send_queue().poll_take(cx, MESSAGES_PER_EVENT, BYTES_PER_EVENT));
        Poll::Ready(frames.map(|frames| event(&frames)))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.inbox.end(CloseReason::ClientGone);
    }
}

/// Writes messages as one event: a `data` line for each line of them.
///
/// Carriage return, line feed and both together end a line (HTML, Server-sent events), so none of them may stand inside a
/// `data` line. The original looks for line feeds alone; its own messages have neither.
fn event(frames: &[Frame]) -> Bytes {
    let mut data = Vec::new();
    for frame in frames {
        data.extend_from_slice(&frame.payload());
    }
    let mut event = Vec::with_capacity(data.len() + 16);
    let mut rest = &data[..];
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
        append_line(&rest[..end], &mut event);
        let width = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    append_line(rest, &mut event);
    event.extend_from_slice(b"\r\n");
    event.into()
}

fn append_line(line: &[u8], event: &mut Vec<u8>) {
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(line);
    event.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
