//! Server-Sent Events: the transport's way out (transports, Server-Sent Events).

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::mailbox::Mailbox;
use crate::outbound::Lane;
use crate::{CloseReason, Frame};

/// The first bytes of every event stream, a comment that makes proxies pass on the head.
const OPENING: &[u8] = b":\r\n";

/// How many messages one event takes along at most.
const MESSAGES_PER_EVENT: usize = 64;

/// The body of an event stream. Dropping it is how a client leaves.
pub(crate) struct EventStream {
    mailbox: Arc<Mailbox>,
    opened: bool,
}

impl EventStream {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, opened: false }
    }

    /// The way out of its connection.
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        self.mailbox.lane()
    }

    /// The next event with all that waits; `None` once the connection has ended and everything was sent.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.opened {
            self.opened = true;
            return Poll::Ready(Some(Bytes::from_static(OPENING)));
        }
        let frames = ready!(self.mailbox.lane().poll_take(cx, MESSAGES_PER_EVENT));
        Poll::Ready(frames.map(|frames| event(&frames)))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.mailbox.end(CloseReason::ClientGone);
    }
}

/// Writes messages as one event: a `data` line for each line of them.
fn event(frames: &[Frame]) -> Bytes {
    let mut data = Vec::new();
    for frame in frames {
        data.extend_from_slice(&frame.payload());
    }
    let mut event = Vec::with_capacity(data.len() + 16);
    let mut lines = data.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        // Only a line that a line feed ended can have a carriage return of it.
        let line = match line {
            [rest @ .., b'\r'] if !rest.is_empty() && lines.peek().is_some() => rest,
            line => line,
        };
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.extend_from_slice(b"\r\n");
    }
    event.extend_from_slice(b"\r\n");
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageKind;

    #[test]
    fn messages_become_one_event_with_a_data_line_per_line() {
        for (messages, expected) in [
            (&["{}\u{1e}"][..], "data: {}\u{1e}\r\n\r\n"),
            (&["a\u{1e}", "b\u{1e}"], "data: a\u{1e}b\u{1e}\r\n\r\n"),
            (&["a\nb"], "data: a\r\ndata: b\r\n\r\n"),
            (&["a\r\nb"], "data: a\r\ndata: b\r\n\r\n"),
            (&["a\n"], "data: a\r\ndata: \r\n\r\n"),
        ] {
            let frames: Vec<_> =
                messages.iter().map(|message| Frame::new(MessageKind::Text, message.as_bytes())).collect();
            assert_eq!(event(&frames), expected, "{messages:?}");
        }
    }
}
